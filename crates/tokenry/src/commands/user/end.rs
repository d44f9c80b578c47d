//! Commands that end all tokens of a user.

use serde_json::json;
use tokenry_service::User;

use crate::{
    cli::{DeleteArgs, RevokeTokensArgs},
    commands::CommandContext,
    output::{CliError, Console, View},
};

/// `tokenry user revoke-tokens`
pub(super) fn revoke_tokens(
    args: RevokeTokensArgs,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let (user, live) = find(args.subject.as_str(), context)?;
    let question = format!("Revoke all tokens of {}, {live} of them live?", user.subject);
    console.confirm(&question, args.yes)?;
    let revoked = context.tokenry.revoke_user_tokens(&context.request, user.id, args.reason)?;
    console.outcome(&View::list(&[], Vec::new(), Vec::new(), json!({"revoked": revoked})))?;
    console.note(&format!("revoked {revoked} {} of {}", tokens(revoked as u64), user.subject));
    Ok(())
}

/// `tokenry user delete`
pub(super) fn delete(
    args: &DeleteArgs,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let (user, live) = find(args.subject.as_str(), context)?;
    let question =
        format!("Delete {} with all their tokens? {live} live {} would end.", user.subject, tokens(live));
    console.confirm(&question, args.yes)?;
    context.tokenry.delete_user(&context.request, user.id)?;
    let names = vec![user.subject.to_string()];
    console.outcome(&View::list(&[], Vec::new(), names, json!({"deleted": 1, "live_tokens": live})))?;
    console.note(&format!("deleted {}; {live} live {} ended", user.subject, tokens(live)));
    Ok(())
}

/// The user and the number of their live tokens.
fn find(subject: &str, context: &CommandContext) -> Result<(User, u64), CliError> {
    let user = context.user(subject)?;
    let live = context.tokenry.limit_status(&context.request, &user)?.live_tokens;
    Ok((user, live))
}

fn tokens(count: u64) -> &'static str {
    if count == 1 { "token" } else { "tokens" }
}
