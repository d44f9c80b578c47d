//! Output of tokens.

use serde_json::{Value, json};
use tokenry_actix::wire;
use tokenry_service::{Risk, Token, TokenPage, Tokenry, UnixMillis, User};

use crate::output::View;

/// The confirmation prompt before these tokens are revoked.
pub(super) fn revoke_question(tokens: &[(Token, User)], now: UnixMillis) -> String {
    match tokens {
        [(token, _)] => {
            let used = match token.last_used_at {
                Some(at) => format!("last used {} ago{}", ago(at, now), from(token)),
                None => "never used".to_owned(),
            };
            format!("Revoke \"{}\" ({}, {used})?", token.name, shown(token))
        }
        _ => format!("Revoke {} tokens?", tokens.len()),
    }
}

/// A token as in the HTTP API.
fn json((token, owner): &(Token, User), tokenry: &Tokenry, now: UnixMillis) -> Value {
    // The type has only strings, numbers, lists and objects, so the conversion cannot fail.
    serde_json::to_value(wire::Token::new(token, owner, tokenry, now)).unwrap_or_default()
}

/// The columns of all lists of tokens.
const HEADER: [&str; 8] = ["ID", "OWNER", "NAME", "TOKEN", "STATUS", "SCOPES", "EXPIRES", "LAST USED"];

/// A page of tokens as rows.
pub(super) fn page(page: &TokenPage, tokenry: &Tokenry, now: UnixMillis) -> View {
    let rows = page.items.iter().map(|pair| row(pair, tokenry, now)).collect();
    list(&HEADER, rows, json!(wire::TokenPage::new(page, tokenry, now)), page)
}

/// A page of the inventory: tokens with their risks.
pub(super) fn inventory(page: &TokenPage, tokenry: &Tokenry, now: UnixMillis) -> View {
    let (cutoffs, full_access) = (tokenry.policy().cutoffs(now), tokenry.catalog().full_access());
    let mut rows = Vec::new();
    for pair in &page.items {
        let risks = Risk::of(&pair.0, &pair.1, &cutoffs, &full_access);
        let risks: Vec<_> = risks.into_iter().map(Risk::as_str).collect();
        rows.push([row(pair, tokenry, now), vec![risks.join(" ")]].concat());
    }
    let header = [HEADER.as_slice(), &["RISKS"]].concat();
    list(&header, rows, json!(wire::InventoryPage::new(page, tokenry, now)), page)
}

fn list(header: &[&'static str], rows: Vec<Vec<String>>, json: Value, page: &TokenPage) -> View {
    let names = page.items.iter().map(|(token, _)| token.id.to_string()).collect();
    View::list(header, rows, names, json)
}

fn row((token, owner): &(Token, User), tokenry: &Tokenry, now: UnixMillis) -> Vec<String> {
    vec![
        token.id.to_string(),
        owner.subject.to_string(),
        token.name.to_string(),
        shown(token),
        token.status(&tokenry.policy().cutoffs(now)).to_string(),
        token.scopes.to_string(),
        expiry(token, tokenry),
        token.last_used_at.map_or("never".to_owned(), |at| at.to_string()),
    ]
}

/// All attributes of one token except its secret.
pub(crate) fn one(pair: &(Token, User), tokenry: &Tokenry, now: UnixMillis) -> View {
    let (token, owner) = pair;
    let used = token.last_used_at.map_or("never".to_owned(), |at| format!("{at}{}", from(token)));
    let ips = if token.allowed_ips.is_empty() {
        "anywhere".to_owned()
    } else {
        token.allowed_ips.to_texts().join(" ")
    };
    let scopes = if token.scopes.is_empty() { "none".to_owned() } else { token.scopes.to_string() };
    let revoked = token.revoked.as_ref().map(|revoked| {
        let reason = revoked.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        format!("{} by {}{reason}", revoked.at, revoked.by)
    });
    let attributes = [
        ("ID", Some(token.id.to_string())),
        ("Name", Some(token.name.to_string())),
        ("Description", token.description.as_ref().map(ToString::to_string)),
        ("Token", Some(shown(token))),
        ("Owner", Some(owner.subject.to_string())),
        ("Status", Some(token.status(&tokenry.policy().cutoffs(now)).to_string())),
        ("Scopes", Some(scopes)),
        ("Allowed from", Some(ips)),
        ("Created", Some(format!("{} by {}", token.created_at, token.created_by))),
        ("Not before", token.not_before.map(|at| at.to_string())),
        ("Expires", Some(expiry(token, tokenry))),
        ("Last used", Some(used)),
        ("Revoked", revoked),
        ("Metadata", Some(token.metadata.to_value().to_string()).filter(|text| text != "{}")),
    ];
    let known = attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    View::one(known, token.id.to_string(), json(pair, tokenry, now))
}

fn expiry(token: &Token, tokenry: &Tokenry) -> String {
    tokenry.policy().effective_expiry(token).map_or("never".to_owned(), |at| at.to_string())
}

/// The public part of a token's text.
fn shown(token: &Token) -> String {
    format!("{}…{}", token.first_characters(), token.suffix)
}

fn from(token: &Token) -> String {
    token.last_used_ip.map_or(String::new(), |ip| format!(" from {ip}"))
}

/// The time since `at` in the largest whole unit.
fn ago(at: UnixMillis, now: UnixMillis) -> String {
    let seconds = now.since(at).as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
