//! The check that a page of the server's own origin made a request.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::{HttpRequest, http::Method};

use crate::{client_ip, error::ApiError};

/// The header that every request with a session must send. A form or a link of another site cannot send it, and a script of
/// another site needs permission by CORS.
const MARKER: &str = "x-tokenry-request";

/// The origin that a request was sent to, as the browser sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestOrigin {
    is_secure: bool,
    /// In lower case, with the port unless it is the default of the scheme.
    host: String,
    /// Whether the request stayed within this machine, without TLS.
    is_local: bool,
}

impl RequestOrigin {
    /// The origin according to the connection and the `Host` header, or as forwarded by a trusted proxy.
    pub(crate) fn of(req: &HttpRequest) -> Result<Self, ApiError> {
        let is_secure = match forwarded(req, "x-forwarded-proto")? {
            None => req.app_config().secure(),
            Some(b"https") => true,
            Some(b"http") => false,
            Some(_) => return Err(forbidden("X-Forwarded-Proto must be http or https, sent once.")),
        };
        let host = match forwarded(req, "x-forwarded-host")? {
            Some(host) => Some(host),
            None => at_most_one(req, "host")?,
        };
        let host = host.and_then(|host| Host::parse(host, is_secure));
        let Host { name, port } = host.ok_or_else(|| forbidden("The Host header has no valid host."))?;
        let peer_is_local = req.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        let is_local = peer_is_local && !is_secure && is_loopback(&name);
        let host = port.map_or(name.clone(), |port| format!("{name}:{port}"));
        Ok(Self { is_secure, host, is_local })
    }

    /// Whether the request stayed within this machine, without TLS. Only then the cookie is set without `Secure`.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Rejects a request of another origin, by all headers with which a browser states the origin.
    pub(crate) fn check(&self, req: &HttpRequest) -> Result<(), ApiError> {
        if at_most_one(req, MARKER)? != Some(b"1") {
            return Err(forbidden("A request with a session needs the header X-Tokenry-Request: 1."));
        }
        let fetched = at_most_one(req, "sec-fetch-site")?;
        let origin = at_most_one(req, "origin")?;
        let is_foreign = origin.is_some_and(|origin| origin != self.origin().as_bytes());
        if is_foreign || fetched.is_some_and(|fetched| fetched != b"same-origin") {
            return Err(forbidden("A session can only be used from the server's own origin."));
        }
        let is_safe = matches!(*req.method(), Method::GET | Method::HEAD);
        if !is_safe && fetched.is_none() && origin.is_none() {
            return Err(forbidden("A change with a session needs the header Origin or Sec-Fetch-Site."));
        }
        Ok(())
    }

    /// The origin as a browser writes it: scheme, host, and the port unless it is the default.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }
}

/// Rejects a request that a browser makes for a page of another origin. Programs that are no browsers pass: they send no
/// header about the origin.
pub(crate) fn check_browser(req: &HttpRequest) -> Result<(), ApiError> {
    let fetched = at_most_one(req, "sec-fetch-site")?;
    let is_foreign = match at_most_one(req, "origin")? {
        Some(origin) => origin != RequestOrigin::of(req)?.origin().as_bytes(),
        None => false,
    };
    if is_foreign || fetched.is_some_and(|fetched| fetched != b"same-origin" && fetched != b"none") {
        return Err(forbidden("A password of a browser can only be used from the server's own origin."));
    }
    Ok(())
}

/// A parsed `Host` header.
struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// SECURITY: accepts only characters of host names, so that no two parsers see different hosts.
    fn parse(text: &[u8], is_secure: bool) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => {
                let address: Ipv6Addr = address.parse().ok()?;
                (format!("[{address}]"), rest.strip_prefix(':').or_else(|| rest.is_empty().then_some(""))?)
            }
            None => match text.split_once(':') {
                Some((_, "")) => return None,
                Some((name, port)) => (name.to_owned(), port),
                None => (text.clone(), ""),
            },
        };
        if !name.starts_with('[') && !is_host_name(&name) {
            return None;
        }
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        let default = if is_secure { 443 } else { 80 };
        Some(Self { name, port: port.filter(|port| *port != default) })
    }
}

fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name == "[::1]" || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// The value of a header that only a trusted proxy may send.
fn forwarded<'r>(req: &'r HttpRequest, name: &str) -> Result<Option<&'r [u8]>, ApiError> {
    if client_ip::is_trusted(req) { at_most_one(req, name) } else { Ok(None) }
}

/// The value of a header that may be sent at most once.
fn at_most_one<'r>(req: &'r HttpRequest, name: &str) -> Result<Option<&'r [u8]>, ApiError> {
    let mut values = req.headers().get_all(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| value.as_bytes())),
        _ => Err(forbidden("A header about the origin of the request was sent twice.")),
    }
}

fn forbidden(detail: &'static str) -> ApiError {
    ApiError::Forbidden { detail: detail.into(), errors: Vec::new() }
}

#[cfg(test)]
mod tests {
    use actix_web::{test::TestRequest, web::Data};
    use tokenry_service::IpList;

    use super::*;
    use crate::client_ip::TrustedProxies;

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn request(method: Method, peer: &str, headers: Headers<'_>) -> HttpRequest {
        let proxies = TrustedProxies::new(IpList::parse(&["10.0.0.1", "127.0.0.9"]).unwrap());
        let mut req = TestRequest::default().method(method).app_data(Data::new(proxies));
        for header in headers {
            req = req.append_header(*header);
        }
        req.peer_addr(format!("{peer}:5000").parse().unwrap()).to_http_request()
    }

    fn origin_of(peer: &str, headers: Headers<'_>) -> Option<(String, bool)> {
        let origin = RequestOrigin::of(&request(Method::GET, peer, headers)).ok()?;
        Some((origin.origin(), origin.is_local()))
    }

    #[test]
    fn the_origin_is_the_one_that_the_browser_sends() {
        for (host, origin) in [
            ("tokens.example.com", "http://tokens.example.com"),
            ("TOKENS.example.com:80", "http://tokens.example.com"),
            ("tokens.example.com:8080", "http://tokens.example.com:8080"),
            ("192.0.2.7:8080", "http://192.0.2.7:8080"),
            ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
            ("[2001:DB8:0::1]", "http://[2001:db8::1]"),
        ] {
            assert_eq!(origin_of("192.0.2.1", &[("host", host)]), Some((origin.to_owned(), false)), "{host}");
        }
    }

    #[test]
    fn an_invalid_host_is_rejected() {
        for host in [
            "",
            ":80",
            "a:",
            "a:x",
            "a:99999",
            "a:-1",
            "a b",
            "a/b",
            "a@b",
            "a_b",
            "a,b",
            "a#b",
            "a?b",
            "é",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]8080",
            "[nonsense]",
            "[]",
            "a:80:80",
            "a%2fb",
            "a\\b",
            "'",
            "*",
        ] {
            assert_eq!(origin_of("192.0.2.1", &[("host", host)]), None, "{host}");
        }
        assert_eq!(origin_of("192.0.2.1", &[]), None);
        assert_eq!(origin_of("192.0.2.1", &[("host", "a"), ("host", "a")]), None);
    }

    fn is_local(peer: &str, headers: Headers<'_>) -> bool {
        origin_of(peer, headers).unwrap().1
    }

    #[test]
    fn a_cookie_without_tls_requires_a_local_peer_and_a_local_host() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "127.3.2.1", "[::1]:8080", "LocalHost"]
        {
            assert!(is_local("127.0.0.1", &[("host", host)]), "{host}");
            assert!(is_local("[::1]", &[("host", host)]), "{host}");
            assert!(!is_local("192.0.2.1", &[("host", host)]), "{host}");
        }
        for host in
            ["localhost.example.com", "localhost.", "128.0.0.1", "127.0.0.1.example.com", "[::2]", "a"]
        {
            assert!(!is_local("127.0.0.1", &[("host", host)]), "{host}");
        }
        let behind = [("host", "localhost"), ("x-forwarded-proto", "https")];
        assert!(!is_local("127.0.0.9", &behind) && is_local("127.0.0.1", &behind));
        let behind = [("host", "127.0.0.1:8080"), ("x-forwarded-host", "tokens.example.com")];
        assert!(!is_local("127.0.0.9", &behind));
    }

    #[test]
    fn only_a_trusted_proxy_may_forward_scheme_and_host() {
        let headers = [("host", "inner:8080"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "outer")];
        assert_eq!(origin_of("10.0.0.1", &headers).unwrap().0, "https://outer");
        assert_eq!(origin_of("192.0.2.1", &headers).unwrap().0, "http://inner:8080");
        let port = [("host", "outer:443"), ("x-forwarded-proto", "https")];
        assert_eq!(origin_of("10.0.0.1", &port).unwrap().0, "https://outer");
        for wrong in [
            &[("x-forwarded-proto", "HTTPS")][..],
            &[("x-forwarded-proto", "https,http")],
            &[("x-forwarded-proto", "")],
            &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")],
            &[("x-forwarded-host", "a, b")],
            &[("x-forwarded-host", "a"), ("x-forwarded-host", "a")],
            &[("x-forwarded-host", "")],
        ] {
            let headers = [&[("host", "inner")], wrong].concat();
            assert_eq!(origin_of("10.0.0.1", &headers), None, "{wrong:?}");
        }
    }

    fn passes(method: Method, headers: Headers<'_>) -> bool {
        let headers = [&[("host", "a:8080")], headers].concat();
        let req = request(method, "192.0.2.1", &headers);
        RequestOrigin::of(&req).unwrap().check(&req).is_ok()
    }

    #[test]
    fn only_a_request_of_the_same_origin_passes() {
        let (mark, own) = (("x-tokenry-request", "1"), ("origin", "http://a:8080"));
        let same = ("sec-fetch-site", "same-origin");
        assert!(passes(Method::GET, &[mark]) && passes(Method::HEAD, &[mark, same]));
        for method in [Method::POST, Method::DELETE, Method::PATCH, Method::PUT, Method::OPTIONS] {
            assert!(passes(method.clone(), &[mark, own]), "{method}");
            assert!(passes(method.clone(), &[mark, same]), "{method}");
            assert!(passes(method.clone(), &[mark, own, same]), "{method}");
            assert!(!passes(method.clone(), &[mark]), "{method}");
            assert!(!passes(method, &[own, same]));
        }
        for method in [Method::GET, Method::POST] {
            for wrong in [
                &[own, same][..],
                &[("x-tokenry-request", "0"), own],
                &[("x-tokenry-request", ""), own],
                &[("x-tokenry-request", "1, 1"), own],
                &[mark, mark, own],
                &[mark, ("origin", "null")],
                &[mark, ("origin", "")],
                &[mark, ("origin", "https://a:8080")],
                &[mark, ("origin", "http://a")],
                &[mark, ("origin", "http://a:8081")],
                &[mark, ("origin", "http://b:8080")],
                &[mark, ("origin", "http://a:8080/")],
                &[mark, ("origin", "http://a:8080.example.com")],
                &[mark, ("origin", "http://A:8080")],
                &[mark, own, own],
                &[mark, own, ("sec-fetch-site", "same-site")],
                &[mark, own, ("sec-fetch-site", "cross-site")],
                &[mark, own, ("sec-fetch-site", "none")],
                &[mark, own, ("sec-fetch-site", "")],
                &[mark, own, same, same],
                &[mark, same, ("origin", "http://b:8080")],
            ] {
                assert!(!passes(method.clone(), wrong), "{method} {wrong:?}");
            }
        }
    }
}
