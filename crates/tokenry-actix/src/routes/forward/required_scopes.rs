//! The scopes that the configuration of a proxy asks for in its query.

use tokenry_service::{Catalog, ScopeSet};

use crate::{
    error::ApiError,
    query::{MAX_QUERY, decode},
};

/// The scopes of `scope=`, all of which are needed. A configuration that says less than it seems to, such as one with an
/// empty place where a variable was, is refused and not filled up.
pub(super) fn read(query: &str, catalog: &Catalog) -> Result<ScopeSet, ApiError> {
    if query.len() > MAX_QUERY {
        return Err(invalid("The query is too long."));
    }
    let mut entries = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(invalid("A parameter is not percent-encoded UTF-8."));
        };
        if name != "scope" {
            return Err(invalid("There is no parameter but scope."));
        }
        entries.extend(value.split([' ', ',']).map(str::to_owned));
    }
    let scopes = ScopeSet::parse(&entries)
        .map_err(|_| invalid("scope must be at most 32 scopes, separated by one space or comma each."))?;
    if scopes.iter().all(|scope| catalog.knows(scope)) {
        Ok(scopes)
    } else {
        Err(invalid("scope names something that the catalog does not have."))
    }
}

fn invalid(detail: &'static str) -> ApiError {
    ApiError::InvalidRequest { detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_separated_by_spaces_commas_or_repetition() {
        for query in [
            "scope=a:read+b:write",
            "scope=a:read%20b:write",
            "scope=a:read,b:write",
            "scope=a:read%2Cb:write",
            "scope=a:read&scope=b:write",
            "sc%6fpe=b:write,a:read,a:read",
        ] {
            assert_eq!(read(query, &Catalog::open()).unwrap().to_texts(), ["a:read", "b:write"], "{query}");
        }
    }

    #[test]
    fn whatever_asks_for_less_than_it_seems_to_is_refused() {
        let many = format!("scope={}", vec!["a:read"; 33].join(","));
        let long = format!("scope=a:read&{}", "x".repeat(MAX_QUERY));
        for query in [
            "scope",
            "scope=",
            "scope=+",
            "scope=,",
            "scope=a:read,",
            "scope=,a:read",
            "scope=a:read++b:read",
            "scope=a:read,+b:read",
            "scope=a:read&",
            "&scope=a:read",
            "scope=a:read&scope=",
            "scope=A:read",
            "scope=a",
            "scope=a:owner",
            "scope=a:read%0A",
            "scope=%",
            "scope=%ff",
            "Scope=a:read",
            "scopes=a:read",
            "scope=a:read&x=1",
            "x",
            &many,
            &long,
        ] {
            let refused = read(query, &Catalog::open());
            assert!(matches!(refused, Err(ApiError::InvalidRequest { .. })), "{query}");
        }
    }
}
