//! Scopes of tokens: `resource:level`, `introspect`, `*`, and names for sets of them.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// The maximum number of scopes of a token.
pub const MAX_SCOPES: usize = 32;
/// The maximum length of a scope in bytes.
pub const MAX_SCOPE_LENGTH: usize = 64;

/// A permission of a token. Scopes are equal only if they mean the same.
///
/// The [`crate::Catalog`] orders the levels and so defines which scope includes which.
///
/// Exhaustive, so that a new kind of scope does not compile until every rule handles it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `*`: all permissions that the owner has at the time of use.
    All,
    /// `introspect`: check whether tokens of other users are valid.
    Introspect,
    /// A name that the catalog gives to a set of scopes, such as `full_access`. It grants what the catalog says at the
    /// moment of use, and nothing if the catalog does not have it.
    Named(String),
    /// `resource:level`, such as `projects:read`.
    Access {
        /// The resource.
        resource: String,
        /// The level of access.
        level: String,
    },
}

/// The text is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be `resource:level`, `introspect`, `*` or a named scope, at most {MAX_SCOPE_LENGTH} characters"
)]
pub struct ParseScopeError;

impl Scope {
    /// About how many bytes its texts occupy, with what an allocator adds.
    fn heap_bytes(&self) -> usize {
        match self {
            Self::All | Self::Introspect => 0,
            Self::Named(name) => name.len() + 16,
            Self::Access { resource, level } => resource.len() + level.len() + 32,
        }
    }

    pub(crate) fn is_named(&self) -> bool {
        matches!(self, Self::Named(_))
    }
}

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => return Ok(Self::All),
            "introspect" => return Ok(Self::Introspect),
            _ if text.len() > MAX_SCOPE_LENGTH => return Err(ParseScopeError),
            _ => {}
        }
        let Some((resource, level)) = text.split_once(':') else {
            return if is_word(text) { Ok(Self::Named(text.to_owned())) } else { Err(ParseScopeError) };
        };
        if is_word(resource) && is_word(level) {
            Ok(Self::Access { resource: resource.to_owned(), level: level.to_owned() })
        } else {
            Err(ParseScopeError)
        }
    }
}

/// A lower-case ASCII letter, then letters, digits, `_`, `-`, `.`.
pub(crate) fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.'))
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Introspect => f.write_str("introspect"),
            Self::Named(name) => f.write_str(name),
            Self::Access { resource, level } => write!(f, "{resource}:{level}"),
        }
    }
}

/// The scopes of a token, without duplicates, in a fixed order. The empty set grants nothing (in CVE-2026-72826 it
/// granted everything). Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeSet(
    /// Sorted, without duplicates.
    Arc<[Scope]>,
);

/// Why a list of scopes was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScopeSetError {
    /// More than [`MAX_SCOPES`].
    #[error("must have at most {MAX_SCOPES} entries")]
    TooMany,
    /// The entry at `index` is not a scope.
    #[error("{ParseScopeError}")]
    Entry {
        /// Position in the list, from 0.
        index: usize,
    },
}

impl ScopeSet {
    /// Parses a list of scopes; duplicates are merged.
    ///
    /// # Errors
    /// [`ScopeSetError`] names the first invalid entry.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, ScopeSetError> {
        if entries.len() > MAX_SCOPES {
            return Err(ScopeSetError::TooMany);
        }
        let parsed = entries.iter().enumerate().map(|(index, entry)| {
            entry.as_ref().parse().map_err(|ParseScopeError| ScopeSetError::Entry { index })
        });
        parsed.collect()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether exactly this scope is in the set; the catalog decides which scopes it includes.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.binary_search(scope).is_ok()
    }

    /// The scope of the set that equals this one.
    #[must_use]
    pub fn get(&self, scope: &Scope) -> Option<&Scope> {
        self.0.binary_search(scope).ok().and_then(|index| self.0.get(index))
    }

    /// Whether the set grants nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// About how many bytes of memory the set occupies beside itself. Its clones share them.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.0.is_empty() {
            return 0;
        }
        self.0.iter().map(|scope| size_of::<Scope>() + scope.heap_bytes()).sum::<usize>() + 32
    }

    /// Whether both are clones of one set.
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The texts of the scopes in order.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(Scope::to_string).collect()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut scopes: Vec<_> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes.into())
    }
}

impl fmt::Display for ScopeSet {
    /// The scopes separated by spaces, as in RFC 6749 section 3.3.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_texts().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_documented_forms_are_scopes() {
        for text in [
            "", ":", "a:", ":read", "A:read", "a:READ", "a b:read", "a:read:x", "*:read", "a:*", "**",
            "9a:read", "9a", "A", "a b", "a:read ", "ä:read", "a:re\nad",
        ] {
            assert_eq!(text.parse::<Scope>(), Err(ParseScopeError), "{text:?}");
        }
        for name in ["full_access", "scope_token_user", "a"] {
            assert_eq!(name.parse(), Ok(Scope::Named(name.to_owned())));
        }
        assert!(format!("{}:read", "a".repeat(59)).parse::<Scope>().is_ok());
        assert!(format!("{}:read", "a".repeat(60)).parse::<Scope>().is_err());
    }

    #[test]
    fn duplicates_are_merged_and_names_stay_as_they_are_written() {
        let set = ScopeSet::parse(&["b:read", "full_access", "*", "a:write", "b:read"]).unwrap();
        assert_eq!(set.to_texts(), ["*", "full_access", "a:write", "b:read"]);
        assert_eq!(ScopeSet::parse(&["a:read"; 33]), Err(ScopeSetError::TooMany));
        let scope: Scope = "a:write".parse().unwrap();
        assert_eq!(set.get(&scope), Some(&scope));
        assert!(set.contains(&Scope::All) && !set.contains(&Scope::Introspect));
    }

    #[test]
    fn clones_share_their_memory() {
        let set = ScopeSet::parse(&["b:read", "a:read"]).unwrap();
        assert!(set.is_shared_with(&set.clone()));
        assert!(!set.is_shared_with(&set.iter().cloned().collect()));
        assert_eq!(ScopeSet::default().heap_bytes(), 0);
        assert!(set.heap_bytes() > 2 * size_of::<Scope>());
    }

    proptest! {
        #[test]
        fn a_text_is_rejected_or_parsed_to_a_scope_with_the_same_text(text in "\\PC{0,80}") {
            if let Ok(scope) = text.parse::<Scope>() {
                prop_assert_eq!(scope.to_string(), text);
            }
        }
    }
}
