//! Retired secrets: valid within their grace, and recorded when they are used after it.

use std::{net::IpAddr, sync::atomic::Ordering, time::Duration};

use serde_json::Value;
use tokenry_crypto::PlainToken;
use tokenry_domain::{
    Actor, ClientInfo, EventKind, Lifetime, PublicId, Reason, ReusePolicy, Revocation, UnixMillis,
};
use tokenry_store::{Credential, RetiredCredential, StoreError, Tx, retired, token, user};

use crate::{
    audit::{AuditContext, detail},
    session::ended::EndedSessions,
    tokenry::Tokenry,
    verified::{Rejection, VerifyError},
    verify::rows::Row,
};

/// A use of a retired secret within this span after its rotation, or the end of its grace, does not indicate a theft:
/// the response of the rotation may have been lost.
const LOST_RESPONSE: Duration = Duration::from_secs(60);
/// The use of one retired secret is recorded at most once in this span.
const REUSE_INTERVAL: Lifetime = Lifetime::seconds(3600);
/// The reason of a revocation after the use of a retired secret.
const REUSED: &str = "a retired secret was used";

impl Tokenry {
    /// Returns a retired secret within its grace, and the grace. `row` is the token of which the public id is the current
    /// one, if there is one.
    pub(super) async fn retired(
        &self,
        plain: &PlainToken,
        public_id: &PublicId,
        row: Option<&Row>,
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<(Credential, Grace), VerifyError> {
        let unknown = Err(VerifyError::Rejected(Rejection::Unknown));
        // A wrong secret of a known public id costs the same whatever the state of its token is.
        if row.is_some_and(Row::is_never_retired) {
            return unknown;
        }
        let Some(found) = self.0.store.retired_credential(public_id).await? else {
            row.inspect(|row| row.note_never_retired());
            return unknown;
        };
        if !self.is_proven(plain, Some(&found.credential), now).await? {
            return unknown;
        }
        let grace = self.grace_of(&found, public_id, now);
        let Grace { end, evaluated_at } = grace;
        // SECURITY: a recorded end holds whatever the clock reads.
        if found.ended_at.is_none() && evaluated_at < end {
            return Ok((found.credential, grace));
        }
        let is_by_clock = found.ended_at.is_none();
        if is_by_clock && !self.doubts_clock(now) {
            self.0.expiries.record_retired(public_id, evaluated_at, evaluated_at >= found.valid_until);
        }
        let token_id = found.credential.token.id;
        self.record_rejection(Rejection::Rotated(token_id), &found.credential.token, source, now);
        // An unconfirmed clock does not suppress the record of a use after a recorded end. A clock that is ahead does:
        // it would take a response that was lost a moment ago for an old one.
        let is_doubted = if is_by_clock { self.doubts_clock(now) } else { self.0.clock.is_ahead(now) };
        // The client may not have received the new secret, or not have distributed it yet.
        if !is_doubted && now.since(found.retired_at.max(end)) > LOST_RESPONSE {
            self.report_reuse(found, now, source);
        }
        Err(VerifyError::Rejected(Rejection::Rotated(token_id)))
    }

    /// Until when this retired secret works, under the current policy, and the instant at which it is evaluated.
    pub(super) fn grace_of(&self, found: &RetiredCredential, public_id: &PublicId, now: UnixMillis) -> Grace {
        // The current maximum grace applies, not the one at the rotation.
        let longest = found.retired_at.checked_add(self.0.rules.policy.max_grace).unwrap_or(UnixMillis::MAX);
        let end = found.ended_at.unwrap_or(UnixMillis::MAX).min(found.valid_until).min(longest);
        // SECURITY: a credential that was rejected as expired is evaluated no earlier than then; the token itself is
        // remembered by its current secret.
        let ends = &self.0.expiries.secrets;
        let evaluated_at = ends.evaluation_instant(now, || public_id.clone());
        let evaluated_at = ends.evaluation_instant(evaluated_at, || found.credential.token.public_id.clone());
        Grace { end, evaluated_at }
    }

    /// Records the use of a retired secret and applies the policy, after the response.
    fn report_reuse(&self, found: RetiredCredential, now: UnixMillis, source: Option<IpAddr>) {
        let reuse = self.0.rules.policy.on_reuse;
        let is_recorded = found.reused_at.is_some_and(|at| now.saturating_sub(REUSE_INTERVAL) < at);
        let must_revoke = reuse == ReusePolicy::Revoke && found.credential.token.revoked.is_none();
        if is_recorded && !must_revoke {
            return;
        }
        let token_id = found.credential.token.id;
        if reuse != ReusePolicy::Record {
            tracing::warn!(target: "tokenry::security", %token_id, "a retired secret was used after its grace");
        }
        let (store, reuses, is_closing) =
            (self.0.store.clone(), self.0.reuses.clone(), self.0.is_closing.clone());
        reuses.add(1);
        let submitted = self.0.alarms.submit(move || {
            let audit = AuditContext::new(Actor::System, now, ClientInfo::new(source, None, None));
            let recorded = store.write(move |tx| record_reuse(tx, &found, &audit, reuse));
            if let Err(error) = recorded {
                tracing::error!(%token_id, %error, "the use of a retired secret was not recorded");
                // The next use is recorded; while the process ends there is none, and this one counts as lost.
                if is_closing.load(Ordering::Relaxed) {
                    return;
                }
            }
            reuses.settle(1);
        });
        if !submitted {
            self.0.reuses.settle(1);
            // The next use is recorded.
            tracing::error!(%token_id, "the use of a retired secret was not recorded: the queue is full");
        }
    }
}

/// The grace period of a retired secret, and the instant at which it is evaluated.
#[derive(Clone, Copy)]
pub(super) struct Grace {
    pub(super) end: UnixMillis,
    pub(super) evaluated_at: UnixMillis,
}

fn record_reuse(
    tx: &mut Tx<'_>,
    found: &RetiredCredential,
    audit: &AuditContext,
    reuse: ReusePolicy,
) -> Result<(), StoreError> {
    let (token_id, owner) = (found.credential.token.id, found.credential.owner.id);
    user::lock(tx, owner)?;
    token::lock(tx, token_id)?;
    let reason = Reason::parse(REUSED).ok();
    let revocation = Revocation { at: audit.at, by: audit.actor, reason };
    let is_revoked = reuse == ReusePolicy::Revoke && token::mark_revoked(tx, token_id, &revocation)?;
    let sessions = if is_revoked { Some(EndedSessions::of_token(tx, token_id)?) } else { None };
    if retired::mark_reused(tx, &found.public_id, audit.at, audit.at.saturating_sub(REUSE_INTERVAL))? {
        // The key by which an imported token is found is not displayed.
        let prefix = if found.public_id.is_imported() { "" } else { found.public_id.as_str() };
        let fields =
            detail([("reason", Value::from("retired_secret")), ("token_prefix", Value::from(prefix))]);
        audit.record(tx, EventKind::RequestFailed, owner, Some(token_id), fields)?;
    }
    if let Some(sessions) = sessions {
        let fields = detail([("reason", Value::from(REUSED))]);
        audit.record(tx, EventKind::TokenRevoked, owner, Some(token_id), fields)?;
        sessions.record(tx, audit)?;
    }
    Ok(())
}
