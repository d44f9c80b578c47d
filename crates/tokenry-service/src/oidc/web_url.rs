//! URLs that a browser may be sent to, and the public URL of this installation.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use thiserror::Error;

/// The URL at which browsers reach this installation: `https`, or `http` on this machine; with a path if it is mounted
/// below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    /// Empty, or a path that begins with a slash and does not end with one.
    path: String,
}

/// The text is not the public URL of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be an URL such as https://tokens.example.com, with https (or http on this machine), and without query and fragment"
)]
pub struct PublicUrlError;

impl PublicUrl {
    /// The origin as browsers write it: in lower case, without the default port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of a path below it.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{}/{path}", self.origin, self.path)
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (origin, rest) = split(text).ok_or(PublicUrlError)?;
        let path = rest.trim_end_matches('/');
        let is_path = path.is_empty() || path.starts_with('/');
        if !is_path || path.contains(['?', '#']) {
            return Err(PublicUrlError);
        }
        Ok(Self { origin, path: path.to_owned() })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.origin, self.path)
    }
}

/// Whether the provider with this issuer identifier may name this URL as one of its endpoints: not plain http to this
/// machine unless the issuer is.
///
/// SECURITY: the page sends the browser there, so that `javascript:` and the like must not pass.
pub(super) fn is_endpoint(text: &str, issuer: &str) -> bool {
    split(text).is_some() && !text.contains('#') && (is_https(text) || !is_https(issuer))
}

fn is_https(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// An endpoint with these parameters, after those that it already has.
pub(super) fn with_parameters(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let separator = match endpoint.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{endpoint}{separator}{query}")
}

/// Splits an URL into its origin and the rest. `None` if it is neither `https` nor `http` to this machine, has a user name,
/// or has characters that parsers read differently.
fn split(text: &str) -> Option<(String, &str)> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if !text.bytes().all(is_plain) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let scheme = scheme.to_ascii_lowercase();
    let authority = authority.to_ascii_lowercase();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), port),
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            (host.to_owned(), port)
        }
    };
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    if !is_name && !host.starts_with('[') {
        return None;
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse::<u16>().ok()?),
        _ => return None,
    };
    let default = match scheme.as_str() {
        "https" => 443,
        "http" if is_loopback(&host) => 80,
        _ => return None,
    };
    let port = port.filter(|port| *port != default).map(|port| format!(":{port}")).unwrap_or_default();
    Some((format!("{scheme}://{host}{port}"), rest))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_the_origin_that_browsers_write() {
        for (text, origin, login) in [
            ("https://tokens.test", "https://tokens.test", "https://tokens.test/sign-in"),
            ("https://Tokens.test:443/", "https://tokens.test", "https://tokens.test/sign-in"),
            (
                "https://tokens.test:8443/a/b/",
                "https://tokens.test:8443",
                "https://tokens.test:8443/a/b/sign-in",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/sign-in"),
            ("http://localhost:80", "http://localhost", "http://localhost/sign-in"),
            ("http://[::1]:8080/x", "http://[::1]:8080", "http://[::1]:8080/x/sign-in"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.origin(), url.join("sign-in").as_str()), (origin, login), "{text}");
        }
        for text in [
            "",
            "tokens.test",
            "//tokens.test",
            "http://tokens.test",
            "http://10.0.0.1",
            "https://",
            "https:///x",
            "https://user@tokens.test",
            "https://tokens.test/?a",
            "https://tokens.test?a",
            "https://tokens.test/#a",
            "https://tokens.test:",
            "https://tokens.test:70000",
            "https://tokens.test:+1",
            "https://tokens.test\\x",
            "https://tokens.test/a b",
            "ftp://localhost",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(PublicUrlError), "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_a_web_address_without_code() {
        for text in ["https://id.test/authorize?x=1", "http://127.0.0.1:9000/auth", "https://id.test"] {
            assert!(is_endpoint(text, "http://127.0.0.1:9000"), "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "javascript://id.test/%0aalert(1)",
            "data:text/html,x",
            "http://id.test/authorize",
            "https://id.test/#x",
            "https://evil@id.test/",
            "/authorize",
            "https://id.test/a\nb",
        ] {
            assert!(!is_endpoint(text, "http://127.0.0.1:9000"), "{text}");
        }
    }

    #[test]
    fn parameters_are_encoded_and_added_to_those_of_the_endpoint() {
        let parameters = [("a", "x y&z=\u{e9}"), ("b", "")];
        for (endpoint, whole) in [
            ("https://id.test/auth", "https://id.test/auth?a=x+y%26z%3D%C3%A9&b="),
            ("https://id.test/auth?", "https://id.test/auth?a=x+y%26z%3D%C3%A9&b="),
            ("https://id.test/auth?t=1", "https://id.test/auth?t=1&a=x+y%26z%3D%C3%A9&b="),
        ] {
            assert_eq!(with_parameters(endpoint, &parameters), whole);
        }
    }
}
