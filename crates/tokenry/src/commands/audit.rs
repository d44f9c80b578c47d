//! `tokenry audit …`

mod view;

use serde_json::json;
use tokenry_service::{AuditCheck, AuditFilter, ChainFault, PageSize};

use super::Session;
use crate::{
    cli::{AuditCommand, AuditListArgs},
    output::{Console, Failure, View},
};

/// Does what was asked for with the audit log.
pub(crate) fn run(command: AuditCommand, session: &Session, console: &mut Console) -> Result<(), Failure> {
    match command {
        AuditCommand::List(args) => list(args, session, console),
        AuditCommand::Verify => verify(session, console),
    }
}

fn list(args: AuditListArgs, session: &Session, console: &mut Console) -> Result<(), Failure> {
    let Session { tokenry, call } = session;
    let user_id = args.user.map(|subject| session.user(subject.as_str())).transpose()?.map(|user| user.id);
    let filter = AuditFilter { kind: args.kind, user_id, token_id: args.token, from: args.from, to: args.to };
    let size = if args.all { PageSize::new(PageSize::MAX).unwrap_or_default() } else { args.limit };
    let mut listed = tokenry.audit_log(call, &filter, size, None)?;
    while args.all
        && let Some(cursor) = &listed.next_cursor
    {
        let next = tokenry.audit_log(call, &filter, size, Some(cursor))?;
        listed.entries.extend(next.entries);
        listed.next_cursor = next.next_cursor;
    }
    console.answer(&view::page(&listed, session)?)?;
    if listed.next_cursor.is_some() {
        console.note(&format!("the newest {}; --all lists the rest", listed.entries.len()));
    }
    Ok(())
}

fn verify(Session { tokenry, call }: &Session, console: &mut Console) -> Result<(), Failure> {
    let AuditCheck { entries, broken } = tokenry.check_audit_log(call)?;
    let broken_at = broken.as_ref().map(|(seq, _)| *seq);
    let rows = match broken_at {
        None => vec![vec![whole(entries)]],
        Some(_) => Vec::new(),
    };
    let names = broken_at.iter().map(ToString::to_string).collect();
    console.outcome(&View::list(&[], rows, names, json!({"entries": entries, "broken_at": broken_at})))?;
    broken.map_or(Ok(()), |(seq, fault)| Err(not_as_written(&place(seq, &fault))))
}

/// Where a log is not as it was written, and why.
pub(super) fn place(seq: i64, fault: &ChainFault) -> String {
    format!("from entry {seq} on: {fault}")
}

/// What is said of a log that is as it was written.
pub(super) fn whole(entries: i64) -> String {
    format!("the audit log is whole: {entries} {}", if entries == 1 { "entry" } else { "entries" })
}

fn not_as_written(what: &str) -> Failure {
    Failure::no("audit_log_broken", format!("the audit log is not as it was written: {what}"))
        .next("keep a copy of the database and compare it with a backup")
}
