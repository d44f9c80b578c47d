//! The commands that read a token from standard input, except `check`: `tokenry verify`, `inspect` and `revoke`.

use serde_json::{Value, json};
use tokenry_actix::wire;
use tokenry_service::{
    IdentifiedSecret, Rejection, ScopeSet, SecretState, Token, User, VerifyError, presented::Presented,
    presented_line,
};
use zeroize::Zeroizing;

use super::{CommandContext, token::view};
use crate::{
    cli::{PresentedArgs, RevokePresentedArgs, VerifyArgs},
    output::{CliError, Console, View},
};

/// The largest input, in bytes; longer than any token.
const MAX_BYTES: u64 = 1024;

/// Reads a token from standard input.
///
/// # Errors
/// Status 2 if the token was given as an argument.
pub(super) fn read(args: &PresentedArgs, console: &mut Console) -> Result<Zeroizing<String>, CliError> {
    if args.input != "-" {
        // SECURITY: neither accepted nor quoted: other users can see arguments, and shells record them.
        let detail =
            "a token must not be an argument, because other users and the shell's history can see it";
        return Err(CliError::usage(detail).next("pass it on standard input: tokenry check - < secret.txt"));
    }
    let text = console.read(MAX_BYTES)?;
    Ok(Zeroizing::new(presented_line(&text).to_owned()))
}

/// Verifies a token as `POST /api/v1/verify` does.
///
/// # Errors
/// Status 5 unless the token is valid and has the scopes.
pub(crate) fn verify(
    args: &VerifyArgs,
    CommandContext { tokenry, request }: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let text = read(&args.presented, console)?;
    let required: ScopeSet = args.scopes.iter().cloned().collect();
    let source = args.ip.map(|ip| ip.to_canonical());
    let presented = Presented::in_body(text.as_bytes());
    // SECURITY: a found secret that a rotation ended is no use of it, which `rotation.on_reuse` might answer by revoking the
    // token whose secret is another one now.
    let found = tokenry.find_by_secret_blocking(presented.token(), request.now);
    if let Ok(Some(IdentifiedSecret { token_id, secret: SecretState::Ended, .. })) = found {
        let rejection = Rejection::Rotated(token_id);
        return Err(invalid(rejection.code(), &rejection.to_string()));
    }
    found.map_err(|error| unavailable(&error))?;
    let verified = match tokenry.verify_blocking(presented.token(), request.now, source) {
        Ok(verified) => verified,
        Err(VerifyError::Rejected(rejection)) => {
            return Err(invalid(rejection.code(), &rejection.to_string()));
        }
        Err(error) => return Err(unavailable(&error)),
    };
    let missing = verified.effective().missing(&required);
    if !missing.is_empty() {
        return Err(invalid("insufficient_scope", &format!("lacks {}", missing.to_texts().join(" "))));
    }
    let pair = (verified.token().clone(), verified.owner().clone());
    let mut view = view::one(&pair, tokenry, request.now);
    view.json = json!(wire::Verdict::valid(&verified, tokenry, request.now));
    console.answer(&view)
}

fn invalid(code: &'static str, why: &str) -> CliError {
    CliError::no(code, format!("not valid: {why}"))
}

/// Shows the token of a secret.
///
/// # Errors
/// Status 5 if no token has or had this secret.
pub(crate) fn inspect(
    args: &PresentedArgs,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let text = read(args, console)?;
    let (found, pair) = find(&text, context)?;
    let mut view = context.view(&pair);
    let state = match found.secret {
        SecretState::Retired { until } => format!("retired by a rotation, works until {until}"),
        SecretState::Ended => "retired by a rotation, no longer works".to_owned(),
        _ => "current".to_owned(),
    };
    if let Value::Object(object) = &mut view.json {
        object.insert("secret".to_owned(), secret_json(found.secret));
    }
    console.answer(&view.with_row("Secret", state))
}

fn secret_json(secret: SecretState) -> Value {
    match secret {
        SecretState::Retired { until } => json!({"state": "retired", "valid_until": until.to_string()}),
        SecretState::Ended => json!({"state": "ended", "valid_until": null}),
        _ => json!({"state": "current", "valid_until": null}),
    }
}

/// Revokes the token of a secret.
///
/// # Errors
/// Status 5 if no token has this secret, or a rotation ended it.
pub(crate) fn revoke(
    args: RevokePresentedArgs,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let text = read(&args.presented, console)?;
    let (found, (token, _)) = find(&text, context)?;
    let is_first = context.tokenry.revoke_found(&context.request, &found, args.reason)?;
    // A rotation may have ended the secret before, or meanwhile.
    if !is_first && find(&text, context)?.0.secret == SecretState::Ended {
        let detail = format!(
            "this secret no longer works: a rotation replaced it, and token {} has another",
            token.id
        );
        return Err(CliError::no("revoked_token", detail)
            .next("to end that one too, use `tokenry token revoke` with its id"));
    }
    let names = if is_first { vec![token.id.to_string()] } else { Vec::new() };
    console.outcome(&View::list(&[], Vec::new(), names, json!({"revoked": u8::from(is_first)})))?;
    let done = if is_first { "revoked" } else { "already revoked:" };
    console.note(&format!("{done} token {} \"{}\"", token.id, token.name));
    Ok(())
}

/// The token of a presented secret.
fn find(
    text: &str,
    CommandContext { tokenry, request }: &CommandContext,
) -> Result<(IdentifiedSecret, (Token, User)), CliError> {
    let presented = Presented::in_body(text.as_bytes());
    let found = tokenry
        .find_by_secret_blocking(presented.token(), request.now)
        .map_err(|error| unavailable(&error))?;
    let Some(found) = found else {
        let detail = if tokenry.has_token_form(presented.token()) {
            "no token has or had this secret"
        } else {
            "not a token of this instance: its prefix, length or checksum is invalid"
        };
        return Err(CliError::not_found(detail).next("check that you copied all of it"));
    };
    let pair = tokenry.find_token(request, found.token_id)?;
    Ok((found, pair))
}

/// The error of a verification without a verdict.
pub(super) fn unavailable(error: &VerifyError) -> CliError {
    let source = std::error::Error::source(error).map_or(String::new(), |source| format!(": {source}"));
    CliError::failed("service_unavailable", format!("{error}{source}")).status(503)
}
