//! What ends all tokens of a user.

use serde_json::json;
use tokenry_service::User;

use crate::{
    cli::{DeleteArgs, RevokeTokensArgs},
    commands::Session,
    output::{Console, Failure, View},
};

/// `tokenry user revoke-tokens`
pub(super) fn revoke_tokens(
    args: RevokeTokensArgs,
    session: &Session,
    console: &mut Console,
) -> Result<(), Failure> {
    let (user, live) = find(args.subject.as_str(), session)?;
    let question = format!("Revoke every token of {}, {live} of them live?", user.subject);
    console.confirm(&question, args.yes)?;
    let revoked = session.tokenry.revoke_user_tokens(&session.call, user.id, args.reason)?;
    console.outcome(&View::list(&[], Vec::new(), Vec::new(), json!({"revoked": revoked})))?;
    console.note(&format!("revoked {revoked} {} of {}", tokens(revoked as u64), user.subject));
    Ok(())
}

/// `tokenry user delete`
pub(super) fn delete(args: &DeleteArgs, session: &Session, console: &mut Console) -> Result<(), Failure> {
    let (user, live) = find(args.subject.as_str(), session)?;
    let question =
        format!("Delete {} with all their tokens? {live} live {} would end.", user.subject, tokens(live));
    console.confirm(&question, args.yes)?;
    session.tokenry.delete_user(&session.call, user.id)?;
    let names = vec![user.subject.to_string()];
    console.outcome(&View::list(&[], Vec::new(), names, json!({"deleted": 1, "live_tokens": live})))?;
    console.note(&format!("deleted {}; {live} live {} ended", user.subject, tokens(live)));
    Ok(())
}

/// The user, and how many live tokens they have now.
fn find(subject: &str, session: &Session) -> Result<(User, u64), Failure> {
    let user = session.user(subject)?;
    let live = session.tokenry.allowance(&session.call, &user)?.live_tokens;
    Ok((user, live))
}

fn tokens(count: u64) -> &'static str {
    if count == 1 { "token" } else { "tokens" }
}
