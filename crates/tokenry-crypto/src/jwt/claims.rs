//! The claims of a token whose signature has been verified.

use std::time::Duration;

use serde_json::{Map, Value};
use tokenry_domain::{Subject, UnixMillis};

use super::{JwtError, issuer::JwtIssuer};

/// The longest subject, in bytes.
const MAX_SUBJECT_LEN: usize = 255;

/// The claims of a valid token that an issuer has signed for this service. Only verification creates them. Not `Debug`:
/// claims are personal data.
pub struct JwtClaims {
    issuer: String,
    subject: Subject,
    issued_at: Option<UnixMillis>,
    expires_at: UnixMillis,
    all: Map<String, Value>,
}

impl JwtClaims {
    /// Checks audience, times and subject of a payload with a valid signature.
    pub(super) fn check(
        all: Map<String, Value>,
        rules: &JwtIssuer,
        now: UnixMillis,
    ) -> Result<Self, JwtError> {
        if !is_for(all.get("aud"), &rules.audiences) {
            return Err(JwtError::WrongAudience);
        }
        let (issued_at, expires_at) = check_times(&all, rules, now)?;
        let subject = all.get("sub").and_then(Value::as_str).filter(|text| text.len() <= MAX_SUBJECT_LEN);
        let subject = subject.and_then(|text| Subject::parse(text).ok()).ok_or(JwtError::BadClaims("sub"))?;
        Ok(Self { issuer: rules.issuer.clone(), subject, issued_at, expires_at, all })
    }

    /// `iss`: the configured issuer that signed the token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `sub`: the user of the token, at most 255 bytes without control characters. Unique only within the issuer.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// `iat`, if the token has it.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixMillis> {
        self.issued_at
    }

    /// `exp`, or the instant at which the token reaches its maximum age if that is earlier; without the leeway.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// The value of a string claim; see [`texts`](Self::texts) for claim paths.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.find(claim)?.as_str()
    }

    /// The strings of a claim that is a string or an array; other items of an array are left out. `realm_access.roles` is
    /// `roles` of the object `realm_access`.
    #[must_use]
    pub fn texts(&self, claim: &str) -> Vec<&str> {
        match self.find(claim) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The strings of a claim that grants permissions; empty if the token lacks the claim or it is null. `None` if it is anything
    /// but a string or an array of strings: an unreadable claim must not be treated as a missing one.
    #[must_use]
    pub fn texts_or_unreadable(&self, claim: &str) -> Option<Vec<&str>> {
        match self.find(claim) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::String(text)) => Some(vec![text]),
            Some(Value::Array(items)) => items.iter().map(Value::as_str).collect(),
            Some(_) => None,
        }
    }

    /// A claim by its path; a name that is a URL, such as `https://example.com/roles`, is not split into a path.
    ///
    /// SECURITY: a path never matches a claim with dots in its name: where users can add claims, they could otherwise
    /// replace the claim at the path.
    fn find(&self, claim: &str) -> Option<&Value> {
        if claim.contains("://") {
            return self.all.get(claim);
        }
        let mut names = claim.split('.');
        let first = self.all.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_object()?.get(name))
    }
}

/// Whether `aud`, a string or an array of strings, contains one of the audiences.
fn is_for(aud: Option<&Value>, audiences: &[String]) -> bool {
    match aud {
        Some(Value::String(text)) => audiences.contains(text),
        Some(Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.is_some_and(|texts| audiences.iter().any(|audience| texts.contains(&audience.as_str())))
        }
        _ => false,
    }
}

/// The issue time and expiry of a token that is valid at `now`. A token is expired at `exp`.
fn check_times(
    all: &Map<String, Value>,
    rules: &JwtIssuer,
    now: UnixMillis,
) -> Result<(Option<UnixMillis>, UnixMillis), JwtError> {
    let leeway = whole_millis(rules.leeway);
    let (earliest, latest) = (now.get().saturating_sub(leeway), now.get().saturating_add(leeway));
    let expires_at = claimed_millis(all, "exp")?.ok_or(JwtError::BadClaims("exp"))?;
    let (not_before, issued_at) = (claimed_millis(all, "nbf")?, claimed_millis(all, "iat")?);
    let expires_at = match (rules.max_age, issued_at) {
        (Some(max_age), Some(at)) => expires_at.min(at.saturating_add(whole_millis(max_age))),
        (Some(_), None) => return Err(JwtError::BadClaims("iat")),
        (None, _) => expires_at,
    };
    if earliest >= expires_at {
        return Err(JwtError::Expired);
    }
    if [not_before, issued_at].into_iter().flatten().any(|at| at > latest) {
        return Err(JwtError::NotYetValid);
    }
    Ok((issued_at.map(nearest), nearest(expires_at)))
}

/// A NumericDate (RFC 7519) in milliseconds: seconds since the epoch, which may have a fraction. Values out of range
/// saturate.
fn claimed_millis(all: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, JwtError> {
    let Some(value) = all.get(claim) else { return Ok(None) };
    match (value.as_i64(), value.as_f64()) {
        (Some(seconds), _) => Ok(Some(seconds.saturating_mul(1000))),
        (None, Some(seconds)) if seconds.is_finite() => Ok(Some((seconds * 1000.0).floor() as i64)),
        _ => Err(JwtError::BadClaims(claim)),
    }
}

fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The instant, limited to the supported calendar.
fn nearest(millis: i64) -> UnixMillis {
    let millis = millis.clamp(UnixMillis::MIN.get(), UnixMillis::MAX.get());
    UnixMillis::new(millis).unwrap_or(UnixMillis::MIN)
}
