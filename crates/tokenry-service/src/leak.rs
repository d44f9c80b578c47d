//! Revokes tokens that were found where others can read them.

mod location;

use std::collections::HashMap;

use serde_json::{Map, Value};
use tokenry_domain::{Actor, ClientInfo, Reason, TokenId, UnixMillis, UserId};
use tokenry_store::{StoreError, user};
use zeroize::Zeroizing;

use self::location::location;
use crate::{
    audit::AuditContext,
    revoke::revoke,
    tokenry::Tokenry,
    verified::VerifyError,
    verify::by_secret::{HashBudget, IdentifiedSecret, SecretState},
};

/// The reason of the revocation of a leaked token.
pub const LEAKED: &str = "leaked";

/// The slow hashes of one report. Only imported tokens, and rows from before stored proofs, need one; what was compared
/// once is remembered, so a repeated report goes on.
const MAX_SLOW_HASHES: u32 = 32;

/// A text that was found where others can read it.
pub struct LeakReport {
    text: Zeroizing<String>,
    url: Option<String>,
}

impl LeakReport {
    /// What was found, and the URL where, if there is one.
    #[must_use]
    pub fn new(text: Zeroizing<String>, url: Option<String>) -> Self {
        Self { text, url }
    }

    /// SHA-256 of the text, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        tokenry_crypto::fingerprint(self.text.as_bytes())
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Who reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakReporter {
    /// Anyone who has the token.
    Holder,
    /// GitHub, by its signature.
    GitHub,
}

/// What a reported text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakVerdict {
    /// It has neither the format and the checksum of a token, nor the shape of an imported one.
    Malformed,
    /// It may be a token of another installation, or one that was deleted.
    Unknown,
    /// It is or was a secret of a token.
    Known,
}

/// Tokens that were found by their reported secrets.
pub struct Leaks {
    verdicts: Vec<LeakVerdict>,
    found: Vec<Leak>,
    failure: Option<VerifyError>,
}

struct Leak {
    token_id: TokenId,
    owner_id: UserId,
    url: Option<String>,
}

impl Leaks {
    /// One for each report, in order; fewer if [`into_failure`](Self::into_failure) is some.
    #[must_use]
    pub fn verdicts(&self) -> &[LeakVerdict] {
        &self.verdicts
    }

    /// Why the reports after the last verdict were not looked at.
    #[must_use]
    pub fn into_failure(self) -> Option<VerifyError> {
        self.failure
    }
}

impl Tokenry {
    /// Finds the tokens of reported texts. A failure is part of the result, so that what was found can be revoked.
    ///
    /// Possession of a secret that works, or would work in another state of its token, is the authority to revoke. A
    /// retired secret after its grace period is [`Known`](LeakVerdict::Known) and revokes nothing: whoever finds an old
    /// secret must not be able to stop the new one. Finding it is no use of it, so `rotation.on_reuse` does not apply.
    pub async fn find_leaks(&self, reports: &[LeakReport], now: UnixMillis) -> Leaks {
        let mut leaks = Leaks { verdicts: Vec::new(), found: Vec::new(), failure: None };
        let mut hashes = HashBudget::of(MAX_SLOW_HASHES);
        let mut known = HashMap::new();
        for report in reports {
            let text = report.text.as_str();
            let found = match known.get(text) {
                Some(found) => *found,
                None => match self.find_by_secret_within(text.as_bytes(), now, &mut hashes).await {
                    Ok(found) => found,
                    Err(error) => {
                        leaks.failure = Some(error);
                        break;
                    }
                },
            };
            let is_first = known.insert(text, found).is_none();
            leaks.verdicts.push(match found {
                Some(_) => LeakVerdict::Known,
                None if self.has_token_form(text.as_bytes()) => LeakVerdict::Unknown,
                None => LeakVerdict::Malformed,
            });
            match found {
                Some(IdentifiedSecret { token_id, owner_id, secret })
                    if is_first && secret != SecretState::Ended =>
                {
                    let texts = reports.iter().map(LeakReport::text);
                    let url = report.url.as_deref();
                    let url = url.and_then(|url| location(url, &self.0.prefixes, texts));
                    leaks.found.push(Leak { token_id, owner_id, url });
                }
                _ => {}
            }
        }
        leaks
    }

    /// Revokes the found tokens that are not revoked yet, with the reason [`LEAKED`], the reporter and the URL in the audit
    /// log. Returns how many. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError`]: some of the tokens may still work. Try again.
    pub fn revoke_leaks(
        &self,
        leaks: &Leaks,
        reporter: LeakReporter,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<usize, StoreError> {
        let mut revoked = 0;
        for Leak { token_id, owner_id, url } in &leaks.found {
            let (id, owner) = (*token_id, *owner_id);
            let mut fields = Map::new();
            if let Some(url) = url {
                fields.insert("url".to_owned(), Value::from(url.as_str()));
            }
            if reporter == LeakReporter::GitHub {
                fields.insert("reporter".to_owned(), Value::from("github"));
            }
            let audit = AuditContext { actor: Actor::Token(id), at: now, client: client.clone() };
            let is_first = self.0.store.write(move |tx| {
                user::lock(tx, owner)?;
                revoke(tx, id, owner, &audit, Reason::parse(LEAKED).ok(), fields.clone())
            })?;
            if is_first {
                revoked += 1;
                tracing::warn!(target: "tokenry::security", token_id = %id, "a leaked token was reported and revoked");
            }
        }
        Ok(revoked)
    }
}
