//! Roles of users.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The name of a role. The [`crate::Catalog`] defines its permissions; an unknown role has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(String);

impl Role {
    /// The role `admin`.
    #[must_use]
    pub fn admin() -> Self {
        Self("admin".to_owned())
    }

    /// The role `user`.
    #[must_use]
    pub fn user() -> Self {
        Self("user".to_owned())
    }

    /// The role's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not the name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a role: a lower-case letter, then letters, digits, `_` or `-`, at most 32 characters")]
pub struct ParseRoleError;

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
        if starts && rest && text.len() <= 32 { Ok(Self(text.to_owned())) } else { Err(ParseRoleError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_valid_roles() {
        assert_eq!("power-user_2".parse::<Role>().unwrap().as_str(), "power-user_2");
        for text in ["", "Admin", "2nd", "a b", "a\n", &"a".repeat(33)] {
            assert_eq!(text.parse::<Role>(), Err(ParseRoleError), "{text:?}");
        }
    }
}
