//! Typed identifiers: UUIDv7, loggable, never secret.

use std::{fmt, str::FromStr};

use thiserror::Error;
use uuid::{Builder, Uuid};

use crate::time::UnixMillis;

/// The text is not a UUID in its canonical, hyphenated, lower-case form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a UUID")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Creates a UUIDv7 (RFC 9562) from the instant, so that ids sort by age, and 74 of the random bits.
            #[must_use]
            pub fn new(now: UnixMillis, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.get()).unwrap_or(0);
                Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Wraps a stored id.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            #[must_use]
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            /// Accepts only the canonical text, so that an id has one spelling in URLs and logs.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let uuid = Uuid::try_parse(text).map_err(|_| ParseIdError)?;
                let id = Self(uuid);
                if id.to_string() == text { Ok(id) } else { Err(ParseIdError) }
            }
        }
    };
}

id! {
    /// Identifies one token, live or dead; not the public part of its text ([`crate::PublicId`]).
    TokenId
}
id! {
    /// Identifies the user who owns tokens.
    UserId
}
id! {
    /// Identifies one session; not the secret of its cookie.
    SessionId
}
id! {
    /// Identifies one run of an import.
    ImportId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age_and_round_trip() {
        let older = TokenId::new(UnixMillis::new(1_000).unwrap(), [255; 10]);
        let newer = TokenId::new(UnixMillis::new(1_001).unwrap(), [0; 10]);
        assert!(older < newer);
        assert_eq!(newer.to_string().parse(), Ok(newer));
        assert_eq!(newer.uuid().get_version_num(), 7);
    }

    #[test]
    fn other_spellings_of_an_id_are_rejected() {
        let id = UserId::new(UnixMillis::new(1_000).unwrap(), [171; 10]).to_string();
        for text in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            String::new(),
        ] {
            assert_eq!(text.parse::<UserId>(), Err(ParseIdError), "{text}");
        }
    }
}
