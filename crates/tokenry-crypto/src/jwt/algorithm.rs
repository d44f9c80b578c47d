//! The signature algorithms.

use jsonwebtoken::Algorithm;
use strum::{Display, EnumString, IntoStaticStr};
use thiserror::Error;

/// The signature algorithm of an issuer: set by configuration, never chosen by a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE", parse_err_ty = UnknownJwtAlgorithm, parse_err_fn = unknown_algorithm)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
pub enum JwtAlgorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    #[strum(serialize = "EdDSA")]
    EdDsa,
}

/// The text is not the name of an algorithm; `none` is not an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA")]
pub struct UnknownJwtAlgorithm;

/// The kind of key that an algorithm requires.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// A shared secret.
    Secret,
    Rsa,
    /// A point on the named curve; the number is the length of a coordinate in bytes.
    Curve(&'static str, usize),
    Ed25519,
}

impl JwtAlgorithm {
    /// Whether the key is a shared secret, with which a verifier can also sign.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        self.key_kind() == KeyKind::Secret
    }

    /// The name in JWT headers and JWKs.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    pub(super) fn key_kind(self) -> KeyKind {
        self.key_kind_and_library().0
    }

    pub(super) fn of_library(self) -> Algorithm {
        self.key_kind_and_library().1
    }

    fn key_kind_and_library(self) -> (KeyKind, Algorithm) {
        match self {
            Self::Hs256 => (KeyKind::Secret, Algorithm::HS256),
            Self::Hs384 => (KeyKind::Secret, Algorithm::HS384),
            Self::Hs512 => (KeyKind::Secret, Algorithm::HS512),
            Self::Rs256 => (KeyKind::Rsa, Algorithm::RS256),
            Self::Rs384 => (KeyKind::Rsa, Algorithm::RS384),
            Self::Rs512 => (KeyKind::Rsa, Algorithm::RS512),
            Self::Ps256 => (KeyKind::Rsa, Algorithm::PS256),
            Self::Ps384 => (KeyKind::Rsa, Algorithm::PS384),
            Self::Ps512 => (KeyKind::Rsa, Algorithm::PS512),
            Self::Es256 => (KeyKind::Curve("P-256", 32), Algorithm::ES256),
            Self::Es384 => (KeyKind::Curve("P-384", 48), Algorithm::ES384),
            Self::EdDsa => (KeyKind::Ed25519, Algorithm::EdDSA),
        }
    }
}

fn unknown_algorithm(_: &str) -> UnknownJwtAlgorithm {
    UnknownJwtAlgorithm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_names_round_trip_and_none_is_not_an_algorithm() {
        for name in [
            "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
            "ES384", "EdDSA",
        ] {
            let algorithm: JwtAlgorithm = name.parse().unwrap();
            assert_eq!((algorithm.to_string().as_str(), algorithm.name()), (name, name));
            assert_eq!(algorithm.is_symmetric(), name.starts_with("HS"));
        }
        for text in ["", "none", "None", "hs256", "HS256 ", "ES512"] {
            assert_eq!(text.parse::<JwtAlgorithm>(), Err(UnknownJwtAlgorithm), "{text}");
        }
    }
}
