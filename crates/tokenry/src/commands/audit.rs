//! `tokenry audit …`

mod view;

use serde_json::json;
use tokenry_service::{AuditCheck, AuditFilter, ChainFault, PageSize};

use super::CommandContext;
use crate::{
    cli::{AuditCommand, AuditListArgs},
    output::{CliError, Console, View},
};

/// Runs an `audit` command.
pub(crate) fn run(
    command: AuditCommand,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    match command {
        AuditCommand::List(args) => list(args, context, console),
        AuditCommand::Verify => verify(context, console),
    }
}

fn list(args: AuditListArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let CommandContext { tokenry, request } = context;
    let user_id = args.user.map(|subject| context.user(subject.as_str())).transpose()?.map(|user| user.id);
    let filter = AuditFilter::default()
        .kind(args.kind)
        .user(user_id)
        .token(args.token)
        .since(args.from)
        .before(args.to);
    let size = if args.all { PageSize::new(PageSize::MAX).unwrap_or_default() } else { args.limit };
    let mut listed = tokenry.audit_log(request, &filter, size, None)?;
    while args.all
        && let Some(cursor) = &listed.next_cursor
    {
        let next = tokenry.audit_log(request, &filter, size, Some(cursor))?;
        listed.items.extend(next.items);
        listed.next_cursor = next.next_cursor;
    }
    console.answer(&view::page(&listed, context)?)?;
    if listed.next_cursor.is_some() {
        console.note(&format!("showing the newest {}; use --all for the rest", listed.items.len()));
    }
    Ok(())
}

fn verify(
    CommandContext { tokenry, request }: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let AuditCheck { entries, broken, .. } = tokenry.check_audit_log(request)?;
    let broken_at = broken.as_ref().map(|(seq, _)| *seq);
    let rows = match broken_at {
        None => vec![vec![intact(entries)]],
        Some(_) => Vec::new(),
    };
    let names = broken_at.iter().map(ToString::to_string).collect();
    console.outcome(&View::list(&[], rows, names, json!({"entries": entries, "broken_at": broken_at})))?;
    broken.map_or(Ok(()), |(seq, fault)| Err(tampered(&position(seq, &fault))))
}

/// The first invalid entry and the fault.
pub(super) fn position(seq: i64, fault: &ChainFault) -> String {
    format!("from entry {seq} on: {fault}")
}

/// The message for a log without faults.
pub(super) fn intact(entries: i64) -> String {
    format!("the audit log is intact: {entries} {}", if entries == 1 { "entry" } else { "entries" })
}

fn tampered(what: &str) -> CliError {
    CliError::no("audit_log_broken", format!("the audit log was modified: {what}"))
        .next("keep a copy of the database and compare it with a backup")
}
