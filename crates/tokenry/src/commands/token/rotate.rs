//! `tokenry token rotate`

use std::{thread::sleep, time::Duration};

use tokenry_actix::clock;
use tokenry_service::{AuditFilter, EventKind, PageSize, Rotation, TokenId, Tokenry, UnixMillis};

use crate::{
    cli::RotateArgs,
    commands::Session,
    output::{Console, Failure},
};

/// Prints a token's new secret, and tells until when the old one works.
pub(super) fn run(args: RotateArgs, session: &Session, console: &mut Console) -> Result<(), Failure> {
    let rotation = Rotation {
        grace: args.grace,
        expiry: args.expires,
        idempotency_key: args.idempotency_key,
        if_version: None,
    };
    let rotated = session
        .tokenry
        .rotate(&session.call, args.id, rotation)
        .map_err(|error| Failure::from(error).about(&args.id.to_string()))?;
    let (id, at) = (rotated.token.id, rotated.token.secret_at);
    console.secret(&rotated.secret.reveal_once(), session.view(&(rotated.token, rotated.owner)))?;
    console.note(&old_secret(id, at, session));
    settle(at);
    Ok(())
}

/// What became of the old secret, as the rotation `at` wrote it down: the policy and the old expiry may have cut the
/// grace. The new secret is printed by now, so a database that does not answer any more is no failure.
fn old_secret(id: TokenId, at: UnixMillis, Session { tokenry, call }: &Session) -> String {
    let filter = AuditFilter {
        kind: Some(EventKind::TokenRotated),
        token_id: Some(id),
        from: Some(at),
        ..AuditFilter::default()
    };
    let told = tokenry.audit_log(call, &filter, PageSize::default(), None).ok();
    let event = told.and_then(|page| page.entries.into_iter().find(|entry| entry.event.at == at));
    let ends = event.and_then(|entry| entry.event.detail.get("old_valid_until")?.as_str()?.parse().ok());
    match ends {
        None => "`tokenry audit list` tells until when the old secret works".to_owned(),
        Some(ends) if ends <= at => "the old secret is refused from now on".to_owned(),
        Some::<UnixMillis>(ends) => format!("the old secret works until {ends}"),
    }
}

/// Waits until another rotation is no longer taken for one that ran beside this, so that the next may follow at once.
fn settle(rotated: UnixMillis) {
    let settled = rotated.checked_add(Tokenry::ROTATION_SETTLES).unwrap_or(rotated);
    let left = settled.since(clock::now());
    if !left.is_zero() {
        sleep(left + Duration::from_millis(1));
    }
}
