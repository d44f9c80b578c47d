//! The scopes that the configuration of a proxy requires in its query.

use tokenry_service::{Catalog, ScopeSet};

use crate::{
    error::ApiError,
    query::{decode_pair, utf8},
};

/// The scopes of `scope=`, all of which are required. A configuration that requires less than it seems to, such as one
/// with an empty entry where a variable was, is rejected.
pub(super) fn read(query: &str, catalog: &Catalog) -> Result<ScopeSet, ApiError> {
    let mut entries = Vec::new();
    for pair in query.split('&') {
        let (name, value) = decode_pair(pair)?;
        let value = utf8(value)?;
        if name != "scope" {
            return Err(invalid("The only parameter is scope."));
        }
        entries.extend(value.split([' ', ',']).map(str::to_owned));
    }
    let scopes = ScopeSet::parse(&entries)
        .map_err(|_| invalid("scope must have at most 32 scopes, each separated by one space or comma."))?;
    if scopes.iter().all(|scope| catalog.has_scope(scope)) {
        Ok(scopes)
    } else {
        Err(invalid("scope contains a scope that is not in the catalog."))
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
    fn a_query_that_requires_less_than_it_seems_to_is_rejected() {
        let many = format!("scope={}", vec!["a:read"; 33].join(","));
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
        ] {
            let rejected = read(query, &Catalog::open());
            assert!(matches!(rejected, Err(ApiError::InvalidRequest { .. })), "{query}");
        }
    }
}
