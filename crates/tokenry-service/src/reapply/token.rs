//! Lost changes of tokens.

use serde_json::{Map, Value};
use tokenry_domain::{
    Actor, EventKind, IpList, Reason, Revocation, Scope, ScopeSet, Status, Token, TokenId, UnixMillis,
    grant::is_wider,
};
use tokenry_store::{StoreError, Tx, retired, token, usage::scopes, user};

use super::{Lost, REASON};
use crate::{
    audit::append, revocation::revoke, rules::Rules, session::ended::EndedSessions,
    token_difference::difference,
};

/// What the entry of an update names if it only ends retired secrets.
const RETIRED: &str = "retired_secrets";

/// Revokes these tokens again, those that are not revoked.
pub(super) fn revoke_all(tx: &mut Tx<'_>, lost: &[Lost<'_>], now: UnixMillis) -> Result<u64, StoreError> {
    let ids: Vec<TokenId> = lost.iter().filter_map(|group| group.token_id).collect();
    // In a fixed order, so that no deadlock with another node occurs.
    let mut owners: Vec<_> = lost.iter().filter_map(|group| group.user_id).collect();
    owners.sort_unstable_by_key(|id| id.uuid());
    owners.dedup();
    for owner in owners {
        user::lock(tx, owner)?;
    }
    let by = Revocation { at: now, by: Actor::System, reason: Reason::parse(REASON).ok() };
    let revoked = token::revoke_all(tx, &ids, &by)?;
    let sessions = EndedSessions::of_tokens(tx, &revoked)?;
    let mut events = Vec::with_capacity(revoked.len());
    for group in lost {
        let Some(id) = group.token_id.filter(|id| revoked.contains(id)) else { continue };
        events.push(group.audit(now).event(EventKind::TokenRevoked, group.user_id, Some(id), Map::new()));
    }
    let count = u64::try_from(events.len()).unwrap_or(0);
    if let Some(first) = lost.first() {
        let mut audit = first.audit(now);
        audit.note.clear();
        events.extend(sessions.events(&audit));
    }
    append(tx, &events)?;
    Ok(count)
}

/// Restricts a token to what its lost changes left of it.
pub(super) fn restrict(
    tx: &mut Tx<'_>,
    rules: &Rules,
    lost: &Lost<'_>,
    id: TokenId,
    now: UnixMillis,
) -> Result<u64, StoreError> {
    let Some(found) = token::find(tx, id)? else { return Ok(0) };
    user::lock(tx, found.user_id)?;
    let Some(before) = token::lock(tx, id)?.filter(|token| token.revoked.is_none()) else { return Ok(0) };
    let (owner, audit) = (before.user_id, lost.audit(now));
    // SECURITY: the new secret is lost, and the old one was to end. Only the token as a whole can be stopped.
    let mut retired = lost.details(EventKind::TokenRotated).peekable();
    let is_rotated = retired.peek().is_some();
    if retired.any(|detail| text(&detail, "old_prefix") == Some(before.first_characters())) {
        tracing::warn!(token = %id, "a rotation was lost, so the token is revoked: its old secret was to end");
        let reason = Reason::parse(REASON).ok();
        return Ok(u64::from(revoke(tx, id, owner, &audit, reason, Map::new())?));
    }
    let mut after = restricted(rules, lost, &before, now);
    let ended =
        if is_rotated || ends_grace(rules, lost, &before) { retired::end_grace(tx, id, now)? } else { 0 };
    let is_changed = after != before;
    if is_changed || ended > 0 {
        after.version = before.version + 1;
        after.updated_at = now;
        if !token::update(tx, &after)? {
            return Err(StoreError::Conflict("the token was changed while it was locked".to_owned()));
        }
        if after.scopes != before.scopes {
            scopes::keep_only(tx, id, &after.scopes)?;
        }
    }
    let is_paused = before.inactive_at.is_none() && after.inactive_at.is_some();
    let sessions = lost.ended_sessions(tx)?;
    let of_token = if is_paused { Some(EndedSessions::of_token(tx, id)?) } else { None };
    let mut events = Vec::new();
    if is_changed || ended > 0 {
        let mut fields = difference(&before, &after);
        if let (true, Some(Value::Array(changed))) = (ended > 0, fields.get_mut("changed")) {
            changed.push(Value::from(RETIRED));
        }
        events.push(audit.event(EventKind::TokenUpdated, Some(owner), Some(id), fields));
    }
    events.extend(sessions.events(&audit));
    events.extend(of_token.iter().flat_map(|sessions| sessions.events(&audit)));
    append(tx, &events)?;
    Ok(u64::try_from(events.len()).unwrap_or(0))
}

/// The token with no more than both it and its lost updates allow.
fn restricted(rules: &Rules, lost: &Lost<'_>, before: &Token, now: UnixMillis) -> Token {
    let mut after = before.clone();
    let mut is_unknown = lost.has_unknown();
    let to = |field| lost.values(EventKind::TokenUpdated, field).map(|(_, to)| to);
    if let Some(to) = to("scopes") {
        match scopes_of(&to) {
            Some(target) => after.scopes = common_scopes(rules, &before.scopes, &target),
            None => is_unknown = true,
        }
        // A token without scopes can do nothing, but an update cannot leave it so.
        if after.scopes.is_empty() && !before.scopes.is_empty() {
            after.scopes = before.scopes.clone();
            is_unknown = true;
        }
    }
    match to("expires_at") {
        None | Some(Value::Null) => {}
        Some(to) => match to.as_str().and_then(|text| text.parse::<UnixMillis>().ok()) {
            Some(end) if before.expires_at.is_none_or(|own| end < own) => after.expires_at = Some(end),
            Some(_) => {}
            None => is_unknown = true,
        },
    }
    if let Some(to) = to("allowed_ips") {
        match ips_of(&to).and_then(|target| before.allowed_ips.intersection(&target)) {
            Some(common) => after.allowed_ips = common,
            None => is_unknown = true,
        }
    }
    let is_paused = to("status").is_some_and(|to| to.as_str() == Some(Status::Inactive.as_str()));
    if is_unknown {
        tracing::warn!(token = %before.id, kinds = ?lost.kinds(), "a lost change cannot be applied again exactly, so the token is paused");
    }
    if (is_paused || is_unknown) && before.inactive_at.is_none() {
        after.inactive_at = Some(now);
    }
    after
}

/// Whether one of the lost updates made the token wider, which ended its retired secrets.
fn ends_grace(rules: &Rules, lost: &Lost<'_>, token: &Token) -> bool {
    lost.details(EventKind::TokenUpdated).any(|detail| {
        let changed = detail.get("changed").and_then(Value::as_array);
        if changed.is_some_and(|changed| changed.iter().any(|name| name == RETIRED)) {
            return true;
        }
        let side = |name: &str| {
            let value = |field: &str| detail.get(field).and_then(|value| value.get(name));
            let mut side = token.clone();
            side.scopes = value("scopes").and_then(scopes_of).unwrap_or(side.scopes);
            side.allowed_ips = value("allowed_ips").and_then(ips_of).unwrap_or(side.allowed_ips);
            if let Some(end) = value("expires_at") {
                side.expires_at = end.as_str().and_then(|text| text.parse().ok());
            }
            side
        };
        is_wider(&rules.catalog, &side("to"), &side("from"))
    })
}

/// The scopes that both sets include.
fn common_scopes(rules: &Rules, own: &ScopeSet, target: &ScopeSet) -> ScopeSet {
    let within = |inner: &ScopeSet, outer: &ScopeSet| -> Vec<Scope> {
        inner.iter().filter(|scope| rules.catalog.includes(outer, scope)).cloned().collect()
    };
    let mut common = within(own, target);
    common.extend(within(target, own));
    common.into_iter().collect()
}

fn scopes_of(value: &Value) -> Option<ScopeSet> {
    ScopeSet::parse(&texts(value)?).ok()
}

fn ips_of(value: &Value) -> Option<IpList> {
    IpList::parse(&texts(value)?).ok()
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn text<'d>(detail: &'d Map<String, Value>, name: &str) -> Option<&'d str> {
    detail.get(name).and_then(Value::as_str)
}
