//! Lost changes of users, and of the sessions that they started without a token.

use serde_json::Value;
use tokenry_domain::{EventKind, Role, Subject, UnixMillis, User, UserId};
use tokenry_store::{StoreError, Tx, user};

use super::Lost;
use crate::{audit::append, rules::Rules, user::stored::store};

/// Restricts a user to what their lost changes left of them.
pub(super) fn restrict(
    tx: &mut Tx<'_>,
    rules: &Rules,
    lost: &Lost<'_>,
    id: UserId,
    now: UnixMillis,
) -> Result<u64, StoreError> {
    let Some(before) = user::lock(tx, id)? else { return Ok(0) };
    let audit = lost.audit(now);
    let (after, is_exact) = restricted(tx, rules, lost, &before, now)?;
    if !is_exact {
        tracing::warn!(user = %id, kinds = ?lost.kinds(), "a lost change cannot be applied again exactly, so the user is disabled");
    }
    let sessions = lost.ended_sessions(tx)?.events(&audit);
    let mut count = u64::try_from(sessions.len()).unwrap_or(0);
    if after != before {
        count += u64::from(store(tx, &before, &after, &audit)?);
    }
    append(tx, &sessions)?;
    Ok(count)
}

/// The user as the lost changes left them, as far as that takes something away, and whether that is all of it.
fn restricted(
    tx: &mut Tx<'_>,
    rules: &Rules,
    lost: &Lost<'_>,
    before: &User,
    now: UnixMillis,
) -> Result<(User, bool), StoreError> {
    let mut after = before.clone();
    let mut is_exact = !lost.has_unknown();
    if let Some((from, to)) = lost.values(EventKind::UserUpdated, "role") {
        match role(&to) {
            // What was raised is not raised again.
            Some(target) if rules.catalog.is_within(&before.role, &target) => {}
            Some(target)
                if rules.catalog.is_within(&target, &before.role)
                    || (role(&from).as_ref() == Some(&before.role) && rules.catalog.has_role(&target)) =>
            {
                after.role = target;
            }
            _ => is_exact = false,
        }
    }
    if let Some((from, to)) = lost.values(EventKind::UserUpdated, "subject") {
        // SECURITY: the old subject may be another person's by now.
        let target = to.as_str().and_then(|text| Subject::parse(text).ok());
        match target {
            Some(target) if target == before.subject => {}
            Some(target)
                if from.as_str() == Some(before.subject.as_str())
                    && user::find_by_subject(tx, &target)?.is_none() =>
            {
                after.subject = target;
            }
            _ => is_exact = false,
        }
    }
    // A deletion takes many transactions, and may be repeated by whoever wanted it.
    let is_deleted = lost.has(EventKind::UserDeleted);
    let last = lost.changes.iter().rev().find_map(|change| match change.kind {
        Some(EventKind::UserDisabled) => Some(true),
        Some(EventKind::UserEnabled) => Some(false),
        _ => None,
    });
    if (last == Some(true) || is_deleted || !is_exact) && before.disabled_at.is_none() {
        after.disabled_at = Some(now);
    }
    if after != *before {
        after.updated_at = now;
    }
    if after.role != before.role || after.subject != before.subject {
        after.claims_after = after.claims_after.max(Some(now));
    }
    Ok((after, is_exact && !is_deleted))
}

fn role(value: &Value) -> Option<Role> {
    value.as_str()?.parse().ok()
}
