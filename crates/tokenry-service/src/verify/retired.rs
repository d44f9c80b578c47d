//! Secrets that a rotation replaced: good until their grace ends, and worth telling when they are used after it.

use std::{net::IpAddr, sync::atomic::Ordering, time::Duration};

use serde_json::Value;
use tokenry_crypto::PlainToken;
use tokenry_domain::{
    Actor, ClientInfo, EventKind, Lifetime, PublicId, Reason, ReusePolicy, Revocation, UnixMillis,
};
use tokenry_store::{Credential, RetiredCredential, StoreError, Tx, retired, token, user};

use crate::{
    audit::{AuditContext, detail},
    session::end::Ending,
    tokenry::Tokenry,
    verified::{Rejection, VerifyError},
};

/// The use of a retired secret this soon after its rotation, or the end of its grace, is no sign of a theft.
const LOST_ANSWER: Duration = Duration::from_secs(60);
/// How often the use of one retired secret is told at most.
const TOLD: Lifetime = Lifetime::seconds(3600);
/// Why a token is revoked whose retired secret was used.
const REUSED: &str = "a retired secret was used";

impl Tokenry {
    /// The credential of a retired secret within its grace, and the instant at which it is judged.
    pub(super) async fn retired(
        &self,
        plain: &PlainToken,
        public_id: &PublicId,
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<(Credential, UnixMillis), VerifyError> {
        let unknown = Err(VerifyError::Rejected(Rejection::Unknown));
        let Some(found) = self.0.store.retired_credential(public_id).await? else { return unknown };
        if !self.is_proven(plain, Some(&found.credential), now).await? {
            return unknown;
        }
        // The longest grace of now, not of when it was rotated.
        let longest = found.retired_at.checked_add(self.0.rules.policy.max_grace).unwrap_or(UnixMillis::MAX);
        let end = found.ended_at.unwrap_or(UnixMillis::MAX).min(found.valid_until).min(longest);
        // SECURITY: what was refused as over is judged no earlier than then, the token itself too, which is remembered by
        // its present secret.
        let ends = &self.0.ends.secrets;
        let judged_at = ends.no_earlier(now, || public_id.clone());
        let judged_at = ends.no_earlier(judged_at, || found.credential.token.public_id.clone());
        // SECURITY: what is over for good is over before any clock is asked.
        if found.ended_at.is_none() && judged_at < end {
            return Ok((found.credential, judged_at));
        }
        let is_by_clock = found.ended_at.is_none();
        if is_by_clock && !self.doubts_clock(now) {
            self.0.ends.grace_is_over(public_id, judged_at, judged_at >= found.valid_until);
        }
        let token_id = found.credential.token.id;
        self.record_rejection(Rejection::Rotated(token_id), &found.credential.token, source, now);
        // A clock that nobody can confirm does not hide the use of what the row says has ended; one that is ahead does, since
        // it would take an answer that was lost a moment ago for an old one.
        let is_doubted = if is_by_clock { self.doubts_clock(now) } else { self.0.clock.is_ahead(now) };
        // Whoever rotated it may not have heard the answer, or not have told everybody yet that its grace is over.
        if !is_doubted && now.since(found.retired_at.max(end)) > LOST_ANSWER {
            self.tell_reuse(found, now, source);
        }
        Err(VerifyError::Rejected(Rejection::Rotated(token_id)))
    }

    /// Tells of the use of a retired secret, and answers it as the policy says, behind the refusal.
    fn tell_reuse(&self, found: RetiredCredential, now: UnixMillis, source: Option<IpAddr>) {
        let reuse = self.0.rules.policy.on_reuse;
        let is_told = found.reused_at.is_some_and(|told| now.saturating_sub(TOLD) < told);
        let shall_revoke = reuse == ReusePolicy::Revoke && found.credential.token.revoked.is_none();
        if is_told && !shall_revoke {
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
            let audit =
                AuditContext { actor: Actor::System, at: now, client: ClientInfo::new(source, None, None) };
            let told = store.write(move |tx| record_reuse(tx, &found, &audit, reuse));
            if let Err(error) = told {
                tracing::error!(%token_id, %error, "the use of a retired secret was not recorded");
                // The next use is told; at the end of the process there is none, and this one is lost.
                if is_closing.load(Ordering::Relaxed) {
                    return;
                }
            }
            reuses.settle(1);
        });
        if !submitted {
            self.0.reuses.settle(1);
            // The next use is told.
            tracing::error!(%token_id, "the use of a retired secret was not recorded: too many wait");
        }
    }
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
    let sessions = if is_revoked { Some(Ending::of_token(tx, token_id)?) } else { None };
    if retired::mark_reused(tx, &found.public_id, audit.at, audit.at.saturating_sub(TOLD))? {
        let fields = detail([
            ("reason", Value::from("retired_secret")),
            ("token_prefix", Value::from(found.public_id.as_str())),
        ]);
        audit.record(tx, EventKind::RequestFailed, owner, Some(token_id), fields)?;
    }
    if let Some(sessions) = sessions {
        let fields = detail([("reason", Value::from(REUSED))]);
        audit.record(tx, EventKind::TokenRevoked, owner, Some(token_id), fields)?;
        sessions.tell(tx, audit)?;
    }
    Ok(())
}
