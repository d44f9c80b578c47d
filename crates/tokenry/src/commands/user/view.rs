//! Output of users.

use serde_json::{Value, json};
use tokenry_actix::wire;
use tokenry_service::{LimitStatus, User};

use crate::output::View;

/// A user after a change.
pub(super) fn changed(user: &User) -> View {
    rows(std::slice::from_ref(user), to_json(user))
}

/// All users.
pub(super) fn all(users: &[User]) -> View {
    let data: Vec<_> = users.iter().map(to_json).collect();
    rows(users, json!({"data": data, "next_cursor": null, "total": users.len()}))
}

/// All attributes of one user.
pub(super) fn one(user: &User, limits: &LimitStatus) -> View {
    let limit = limits.max_tokens.map_or(String::new(), |limit| format!(" of {limit}"));
    let creations = limits.creations_left.map_or("unlimited".to_owned(), |left| left.to_string());
    let attributes = [
        ("ID", Some(user.id.to_string())),
        ("Subject", Some(user.subject.to_string())),
        ("Name", Some(user.name.to_string())),
        ("Role", Some(user.role.to_string())),
        ("State", Some(state(user).to_owned())),
        ("Live tokens", Some(format!("{}{limit}", limits.live_tokens))),
        ("Creations left", Some(creations)),
        ("Tokens revoked", user.tokens_revoked_at.map(|at| at.to_string())),
        ("Created", Some(user.created_at.to_string())),
        ("Updated", Some(user.updated_at.to_string())),
    ];
    let known = attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    View::one(known, user.subject.to_string(), to_json(user))
}

fn rows(users: &[User], json: Value) -> View {
    let names = users.iter().map(|user| user.subject.to_string()).collect();
    View::list(&["SUBJECT", "NAME", "ROLE", "STATE", "CREATED"], users.iter().map(row).collect(), names, json)
}

fn row(user: &User) -> Vec<String> {
    vec![
        user.subject.to_string(),
        user.name.to_string(),
        user.role.to_string(),
        state(user).to_owned(),
        user.created_at.to_string(),
    ]
}

fn state(user: &User) -> &'static str {
    if user.is_disabled() { "disabled" } else { "enabled" }
}

/// A user as in the HTTP API.
fn to_json(user: &User) -> Value {
    json!(wire::User::from(user))
}
