//! `tokenry token …`

mod list;
mod rotate;
mod usage;
pub(crate) mod view;

use serde_json::{Map, Value, json};
use tokenry_service::{Activation, Description, NewToken, Scope, Token, TokenChanges, TokenId, User};

use super::CommandContext;
use crate::{
    cli::{CreateArgs, MetadataArg, RevokeArgs, TokenCommand, UpdateArgs, json_object},
    output::{CliError, Console, View},
};

/// The largest input, in bytes; larger than the limit of metadata, so that the service reports that limit.
const MAX_BYTES: u64 = 64 * 1024;

/// Runs a `token` command.
pub(crate) fn run(
    command: TokenCommand,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    match command {
        TokenCommand::Create(args) => create(&args, context, console),
        TokenCommand::List(args) => list::run(args, context, console),
        TokenCommand::Show { id } => console.answer(&context.view(&find(id, context)?)),
        TokenCommand::Usage(args) => usage::run(&args, context, console),
        TokenCommand::Update(args) => update(&args, context, console),
        TokenCommand::Rotate(args) => rotate::run(args, context, console),
        TokenCommand::Revoke(args) => revoke(args, context, console),
    }
}

fn create(args: &CreateArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let owner = context.user(args.user.as_str())?;
    let new = NewToken::new(args.name.to_string())
        .with_description(args.description.as_ref().map(Description::to_string))
        .with_scopes(
            Some(args.scopes.iter().map(Scope::to_string).collect())
                .filter(|scopes: &Vec<_>| !scopes.is_empty()),
        )
        .with_expiry(args.expires)
        .with_not_before(args.not_before)
        .with_allowed_ips(Some(args.allowed_ips.clone()).filter(|entries| !entries.is_empty()))
        .with_metadata(metadata(args.metadata.as_ref(), console)?.unwrap_or_default());
    let issued = context.tokenry.issue_token(&context.request, owner.id, new)?;
    let view = context.view(&(issued.token, issued.owner));
    console.secret(&issued.secret.reveal_once(), view)
}

fn update(args: &UpdateArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let changes = TokenChanges::default()
        .with_name(args.name.as_ref().map(ToString::to_string))
        .with_description(
            args.description.as_ref().map(|text| Some(text.to_string()).filter(|text| !text.is_empty())),
        )
        .with_scopes(replaced(args.scopes.iter().map(Scope::to_string).collect(), args.no_scopes))
        .with_expiry(args.expires)
        .with_allowed_ips(replaced(args.allowed_ips.clone(), args.any_ip))
        .with_metadata(metadata(args.metadata.as_ref(), console)?)
        .with_switch(match (args.active, args.inactive) {
            (true, _) => Some(Activation::Active),
            (_, true) => Some(Activation::Inactive),
            _ => None,
        });
    let changed = context.tokenry.update_token(&context.request, args.id, changes)?;
    console.outcome(&context.view(&changed))
}

/// Looks up all tokens before it revokes one, so that a wrong id revokes nothing.
fn revoke(args: RevokeArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let tokens = args.ids.iter().map(|id| find(*id, context)).collect::<Result<Vec<_>, _>>()?;
    console.confirm(&view::revoke_question(&tokens, context.request.now), args.yes)?;
    let mut revoked = Vec::new();
    for id in &args.ids {
        if context.tokenry.revoke_token(&context.request, *id, args.reason.clone())? {
            revoked.push(id.to_string());
        }
    }
    let (now, before) = (revoked.len(), args.ids.len() - revoked.len());
    console.outcome(&View::list(&[], Vec::new(), revoked, json!({"revoked": now})))?;
    let earlier = if before == 0 { String::new() } else { format!(", {before} already revoked") };
    console.note(&format!("revoked {now} token{}{earlier}", if now == 1 { "" } else { "s" }));
    Ok(())
}

fn find(id: TokenId, context: &CommandContext) -> Result<(Token, User), CliError> {
    context
        .tokenry
        .find_token(&context.request, id)
        .map_err(|error| CliError::from(error).about(&id.to_string()))
}

/// The new value of a list: the given entries, an empty list if `clear`, or `None` for no change.
fn replaced(entries: Vec<String>, clear: bool) -> Option<Vec<String>> {
    Some(entries).filter(|entries| clear || !entries.is_empty())
}

/// The object of `--metadata`, read from standard input if it is `-`.
fn metadata(
    given: Option<&MetadataArg>,
    console: &mut Console,
) -> Result<Option<Map<String, Value>>, CliError> {
    match given {
        None => Ok(None),
        Some(MetadataArg::Given(object)) => Ok(Some(object.clone())),
        Some(MetadataArg::StandardInput) => {
            let object = json_object(&console.read(MAX_BYTES)?);
            object.map(Some).map_err(|what| CliError::usage(format!("--metadata: {what}")))
        }
    }
}
