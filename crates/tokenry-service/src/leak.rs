//! Revokes tokens that were found where others can read them.

mod location;

use std::collections::HashMap;

use serde_json::{Map, Value};
use tokenry_domain::{ClientInfo, Reason, UnixMillis};
use tokenry_store::StoreError;
use zeroize::Zeroizing;

use self::location::{ReportedTexts, location};
use crate::{
    tokenry::Tokenry,
    verified::VerifyError,
    verify::by_secret::{HashBudget, IdentifiedSecret, SecretState},
};

/// The reason of the revocation of a leaked token.
pub const LEAKED: &str = "leaked";

/// The slow hashes of one report of anyone. Only imported tokens, and rows from before stored proofs, need one; what was
/// compared recently is remembered, so a repeated report goes on.
///
/// SECURITY: as few as guesses by other requests cost, which are limited to the same number per source.
const HASHES_OF_HOLDER: u32 = 2;
/// Those of a report of GitHub.
const HASHES_OF_GITHUB: u32 = 32;

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

impl LeakReporter {
    fn max_slow_hashes(self) -> u32 {
        match self {
            Self::Holder => HASHES_OF_HOLDER,
            Self::GitHub => HASHES_OF_GITHUB,
        }
    }
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
    /// It was not decided; [`Leaks::into_failure`] has a reason. Report it again.
    Undecided,
}

/// Tokens that were found by their reported secrets.
pub struct Leaks {
    verdicts: Vec<LeakVerdict>,
    found: Vec<Leak>,
    failure: Option<VerifyError>,
}

struct Leak {
    secret: IdentifiedSecret,
    url: Option<String>,
}

impl Leaks {
    /// One for each report, in order.
    #[must_use]
    pub fn verdicts(&self) -> &[LeakVerdict] {
        &self.verdicts
    }

    /// Why some reports are [`Undecided`](LeakVerdict::Undecided).
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
    pub async fn find_leaks(&self, reports: &[LeakReport], reporter: LeakReporter, now: UnixMillis) -> Leaks {
        let mut leaks = Leaks { verdicts: Vec::new(), found: Vec::new(), failure: None };
        let mut hashes = HashBudget::of(reporter.max_slow_hashes());
        let texts = ReportedTexts::of(reports.iter().map(LeakReport::text));
        let mut known = HashMap::new();
        for report in reports {
            let text = report.text.as_str();
            if let Some(verdict) = known.get(text) {
                leaks.verdicts.push(*verdict);
                continue;
            }
            // Every further text would wait for the database again.
            let found = match leaks.failure {
                Some(VerifyError::Store(_)) => None,
                _ => Some(self.find_by_secret_within(text.as_bytes(), now, &mut hashes).await),
            };
            let verdict = match &found {
                Some(Ok(Some(_))) => LeakVerdict::Known,
                Some(Ok(None)) if self.has_token_form(text.as_bytes()) => LeakVerdict::Unknown,
                Some(Ok(None)) => LeakVerdict::Malformed,
                Some(Err(_)) | None => LeakVerdict::Undecided,
            };
            known.insert(text, verdict);
            leaks.verdicts.push(verdict);
            match found {
                Some(Ok(Some(secret))) if secret.secret != SecretState::Ended => {
                    let url = report.url.as_deref();
                    let url = url.and_then(|url| location(url, &self.0.prefixes, &texts));
                    leaks.found.push(Leak { secret, url });
                }
                Some(Ok(_)) | None => {}
                // The other texts may need no hash. A failed database outranks a failure of one text.
                Some(Err(error @ VerifyError::Store(_))) => leaks.failure = Some(error),
                Some(Err(error)) => {
                    leaks.failure.get_or_insert(error);
                }
            }
        }
        leaks
    }

    /// Revokes the found tokens that are not revoked yet and whose found secrets still work, with the reason [`LEAKED`], the
    /// reporter and the URL in the audit log. Returns how many. Blocks the thread.
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
        for Leak { secret, url } in &leaks.found {
            let mut fields = Map::new();
            if let Some(url) = url {
                fields.insert("url".to_owned(), Value::from(url.as_str()));
            }
            if reporter == LeakReporter::GitHub {
                fields.insert("reporter".to_owned(), Value::from("github"));
            }
            let reason = Reason::parse(LEAKED).ok();
            if self.revoke_by_secret(secret, now, client.clone(), reason, fields)? {
                revoked += 1;
                let token_id = secret.token_id;
                tracing::warn!(target: "tokenry::security", %token_id, "a leaked token was reported and revoked");
            }
        }
        Ok(revoked)
    }
}
