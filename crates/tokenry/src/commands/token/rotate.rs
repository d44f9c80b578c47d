//! `tokenry token rotate`

use std::{thread::sleep, time::Duration};

use tokenry_actix::clock;
use tokenry_service::{Rotation, Tokenry, UnixMillis};

use crate::{
    cli::RotateArgs,
    commands::CommandContext,
    output::{CliError, Console},
};

/// Prints a token's new secret and the end of the grace period of the old one.
pub(super) fn run(args: RotateArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let rotation = Rotation::default()
        .with_grace(args.grace)
        .with_expiry(args.expires)
        .with_idempotency_key(args.idempotency_key);
    let rotated = context
        .tokenry
        .rotate_token(&context.request, args.id, rotation)
        .map_err(|error| CliError::from(error).about(&args.id.to_string()))?;
    let (at, grace_end) = (rotated.token.secret_at, rotated.old_works_until);
    console.secret(&rotated.secret.reveal_once(), context.view(&(rotated.token, rotated.owner)))?;
    console.note(&if grace_end <= at {
        "the old secret no longer works".to_owned()
    } else {
        format!("the old secret works until {grace_end}")
    });
    settle(at);
    Ok(())
}

/// Waits until another rotation no longer counts as concurrent with this one, so that the next command may rotate
/// again.
fn settle(rotated: UnixMillis) {
    let settled = rotated.checked_add(Tokenry::ROTATION_SETTLES).unwrap_or(rotated);
    let left = settled.since(clock::now());
    if !left.is_zero() {
        sleep(left + Duration::from_millis(1));
    }
}
