//! Mounts the API of a user's own tokens at another path than in the table of routes.

use super::ROUTES;
use crate::tokens_path::{TokensPath, TokensPathError, is_moved};

impl TokensPath {
    /// A path at which no other route of the API answers, and none of `others`: paths with `{…}` for any one segment, or
    /// `{path}` for any rest.
    ///
    /// # Errors
    /// [`TokensPathError`].
    pub fn new(path: &str, others: &[&str]) -> Result<Self, TokensPathError> {
        let mount = Self::parse(path).ok_or(TokensPathError::Malformed)?;
        let (own, rest): (Vec<&str>, Vec<&str>) =
            ROUTES.iter().map(|route| route.path).partition(|path| is_moved(path));
        for other in rest.into_iter().chain(others.iter().copied()) {
            if own.iter().any(|path| may_meet(&mount.of(path), other)) {
                return Err(TokensPathError::Collides(other.to_owned()));
            }
        }
        Ok(mount)
    }
}

/// Whether a request can match both patterns. actix-web decodes a path before it compares, so case and spelling count.
fn may_meet(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some("{path}"), _) | (_, Some("{path}")) => return true,
            (Some(a), Some(b)) if a == b || a.starts_with('{') || b.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_known_products_are_free() {
        for path in [
            "/api/v1/tokens",
            "/api/v1/pats",
            "/api/auth/tokens",
            "/users/me/api-tokens",
            "/api/tokens",
            "/pats",
        ] {
            let mount = TokensPath::new(path, &["/", "/create", "/assets/{path}"]).unwrap();
            assert_eq!(mount.of("/api/v1/tokens/{id}/usage"), format!("{path}/{{id}}/usage"));
            assert_eq!(mount.of("/api/v1/token"), "/api/v1/token");
        }
    }

    #[test]
    fn a_path_of_another_route_is_rejected() {
        for (path, route) in [
            ("/api/v1/users", "/api/v1/users"),
            ("/api/v1/token", "/api/v1/token"),
            ("/api/v1", "/api/v1/me"),
            ("/api/v1/admin", "/api/v1/admin/tokens"),
            ("/api/v1/users/x", "/api/v1/users/{id}"),
            ("/oauth", "/oauth/introspect"),
            ("/auth/envoy/x", "/auth/envoy/{path}"),
            ("/session", "/session"),
            ("/create", "/create"),
            ("/assets/x/y", "/assets/{path}"),
        ] {
            let error = TokensPath::new(path, &["/", "/create", "/assets/{path}"]).unwrap_err();
            assert_eq!(error, TokensPathError::Collides(route.to_owned()), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_not_plain_is_rejected() {
        let long = format!("/{}", "a".repeat(100));
        for path in [
            "",
            "/",
            "pats",
            "/pats/",
            "//pats",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/a b",
            "/a%2fb",
            "/{id}",
            "/a?b",
            "/a#b",
            "/ä",
            "/*",
            "/a/a/a/a/a/a/a/a/a",
            &long,
        ] {
            assert_eq!(TokensPath::new(path, &[]), Err(TokensPathError::Malformed), "{path}");
        }
    }
}
