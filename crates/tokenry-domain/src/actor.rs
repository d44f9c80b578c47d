//! Actors of changes, stored with tokens and in the audit log.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::id::{TokenId, UserId};

/// The actor of a change.
///
/// Exhaustive, so that a new kind does not compile until every use case decides what it may do and see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Tokenry itself, for example at the first start.
    System,
    /// An operator with access to the database, through the command line.
    Operator,
    /// A user who signed in without a token.
    User(UserId),
    /// A token, on behalf of its owner.
    Token(TokenId),
}

/// The text is not an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be `system`, `operator`, `user:<id>` or `token:<id>`")]
pub struct ParseActorError;

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Operator => f.write_str("operator"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Token(id) => write!(f, "token:{id}"),
        }
    }
}

impl FromStr for Actor {
    type Err = ParseActorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let actor = match text.split_once(':') {
            None if text == "system" => Some(Self::System),
            None if text == "operator" => Some(Self::Operator),
            Some(("user", id)) => id.parse().ok().map(Self::User),
            Some(("token", id)) => id.parse().ok().map(Self::Token),
            _ => None,
        };
        actor.ok_or(ParseActorError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;

    #[test]
    fn actors_round_trip() {
        let now = UnixMillis::new(1).unwrap();
        for actor in [
            Actor::System,
            Actor::Operator,
            Actor::User(UserId::new(now, [1; 10])),
            Actor::Token(TokenId::new(now, [2; 10])),
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        assert_eq!("user:me".parse::<Actor>(), Err(ParseActorError));
        assert_eq!("root".parse::<Actor>(), Err(ParseActorError));
    }
}
