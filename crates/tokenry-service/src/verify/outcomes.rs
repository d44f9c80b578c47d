//! Counts verifications by their result.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::verified::{VerifiedToken, VerifyError};

/// The results that are counted: the code of a rejection, or one of three others.
const RESULTS: [&str; 9] = [
    VALID,
    "invalid_token",
    "revoked_token",
    "inactive_token",
    "expired_token",
    "user_disabled",
    "ip_not_allowed",
    UNAVAILABLE,
    BUSY,
];
const VALID: &str = "valid";
const UNAVAILABLE: &str = "unavailable";
const BUSY: &str = "busy";

/// The number of verifications per entry of [`RESULTS`].
#[derive(Default)]
pub(crate) struct VerifyCounts([AtomicU64; RESULTS.len()]);

impl VerifyCounts {
    pub(crate) fn count(&self, result: &Result<VerifiedToken, VerifyError>) {
        let name = name(result);
        if let Some((_, count)) = RESULTS.iter().zip(&self.0).find(|(known, _)| **known == name) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RESULTS.iter().zip(&self.0).map(|(name, count)| (*name, count.load(Relaxed)))
    }
}

fn name(result: &Result<VerifiedToken, VerifyError>) -> &'static str {
    match result {
        Ok(_) => VALID,
        Err(VerifyError::Rejected(rejection)) => rejection.code(),
        Err(VerifyError::Busy) => BUSY,
        Err(VerifyError::Store(_) | VerifyError::Unreadable(_) | VerifyError::KeysUnavailable) => UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use tokenry_crypto::ParseError;
    use tokenry_domain::{TokenId, UnixMillis};

    use super::*;
    use crate::verified::Rejection;

    #[test]
    fn every_rejection_is_counted_under_its_code() {
        let rejections = [
            Rejection::Malformed(ParseError::Length),
            Rejection::Unknown,
            Rejection::Revoked,
            Rejection::Rotated(TokenId::new(UnixMillis::MIN, [0; 10])),
            Rejection::Inactive,
            Rejection::Pending,
            Rejection::Expired,
            Rejection::OwnerDisabled,
            Rejection::AddressNotAllowed,
        ];
        for rejection in rejections {
            assert!(RESULTS.contains(&rejection.code()), "{rejection:?}");
            let counts = VerifyCounts::default();
            counts.count(&Err(VerifyError::Rejected(rejection)));
            assert_eq!(counts.0.iter().map(|count| count.load(Relaxed)).sum::<u64>(), 1);
        }
    }
}
