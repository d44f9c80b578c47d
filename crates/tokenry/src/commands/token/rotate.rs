//! `tokenry token rotate`

use std::{thread::sleep, time::Duration};

use tokenry_actix::clock;
use tokenry_service::{Rotation, Tokenry, UnixMillis};

use crate::{
    cli::RotateArgs,
    commands::CommandContext,
    output::{CliError, Console},
};

/// Prints a token's new secret, and tells until when the old one works.
pub(super) fn run(args: RotateArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let rotation = Rotation {
        grace: args.grace,
        expiry: args.expires,
        idempotency_key: args.idempotency_key,
        if_version: None,
    };
    let rotated = context
        .tokenry
        .rotate_token(&context.request, args.id, rotation)
        .map_err(|error| CliError::from(error).about(&args.id.to_string()))?;
    let (at, ends) = (rotated.token.secret_at, rotated.old_works_until);
    console.secret(&rotated.secret.reveal_once(), context.view(&(rotated.token, rotated.owner)))?;
    console.note(&if ends <= at {
        "the old secret is refused from now on".to_owned()
    } else {
        format!("the old secret works until {ends}")
    });
    settle(at);
    Ok(())
}

/// Waits until another rotation is no longer taken for one that ran beside this, so that the next may follow at once.
fn settle(rotated: UnixMillis) {
    let settled = rotated.checked_add(Tokenry::ROTATION_SETTLES).unwrap_or(rotated);
    let left = settled.since(clock::now());
    if !left.is_zero() {
        sleep(left + Duration::from_millis(1));
    }
}
