//! Output of the audit log.

use std::collections::{HashMap, hash_map::Entry};

use serde_json::{Value, json};
use tokenry_actix::wire;
use tokenry_service::{AuditEntry, AuditPage, UserError, UserId};

use crate::{
    commands::CommandContext,
    output::{CliError, View},
};

/// Entries as rows, with subjects instead of the ids of users; deleted users keep their ids.
pub(super) fn page(page: &AuditPage, context: &CommandContext) -> Result<View, CliError> {
    let mut subjects = HashMap::new();
    for id in page.items.iter().filter_map(|entry| entry.event.user_id) {
        if let Entry::Vacant(unknown) = subjects.entry(id) {
            unknown.insert(subject(id, context)?);
        }
    }
    let data: Vec<_> = page.items.iter().map(|entry| json!(wire::AuditEvent::from(entry))).collect();
    Ok(View::list(
        &["SEQ", "AT", "KIND", "BY", "USER", "TOKEN", "FROM", "DETAIL"],
        page.items.iter().map(|entry| row(entry, &subjects)).collect(),
        page.items.iter().map(|entry| entry.seq.to_string()).collect(),
        json!({"data": data, "next_cursor": page.next_cursor}),
    ))
}

fn row(entry: &AuditEntry, subjects: &HashMap<UserId, String>) -> Vec<String> {
    let event = &entry.event;
    vec![
        entry.seq.to_string(),
        event.at.to_string(),
        event.kind.to_string(),
        event.actor.to_string(),
        or_dash(event.user_id.and_then(|id| subjects.get(&id))),
        or_dash(event.token_id),
        or_dash(event.client.ip),
        Value::Object(event.detail.clone()).to_string(),
    ]
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn subject(id: UserId, CommandContext { tokenry, request }: &CommandContext) -> Result<String, CliError> {
    match tokenry.find_user(request, id) {
        Ok(user) => Ok(user.subject.to_string()),
        Err(UserError::NotFound) => Ok(id.to_string()),
        Err(error) => Err(error.into()),
    }
}
