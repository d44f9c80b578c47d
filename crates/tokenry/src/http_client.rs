//! Requests to issuers and providers: over TLS except to this machine, with bounded time and size.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokenry_service::OidcTransport;
use ureq::{
    Agent,
    http::{
        HeaderValue, Uri,
        header::{AUTHORIZATION, LOCATION},
        uri::Scheme,
    },
    tls::TlsConfig,
};
use zeroize::Zeroizing;

/// The timeout of a request, with the redirects that it follows.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest body, in bytes.
const MAX_LEN: u64 = 256 * 1024;

/// The maximum number of redirects.
const MAX_REDIRECTS: usize = 2;

/// Sends requests. Cheap to create; it keeps no connection.
pub(crate) struct HttpClient(Agent);

enum Answer {
    Body(String),
    Moved(Uri),
}

impl HttpClient {
    pub(crate) fn new() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().unversioned_rustls_crypto_provider(provider).build())
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            // Redirects are followed in `get`, which checks each new URL.
            .max_redirects(0)
            // Requests are far apart, so an idle connection would usually be closed by then.
            .max_idle_connections(0)
            .user_agent("tokenry")
            .accept("application/jwk-set+json, application/json");
        Self(config.build().into())
    }

    /// The body at the URL. The error never quotes the body.
    pub(crate) fn get(&self, url: &str) -> Result<String, String> {
        let mut url = parse(url)?;
        let deadline = now() + TIMEOUT;
        for _ in 0..=MAX_REDIRECTS {
            match self.fetch(&url, deadline)? {
                Answer::Body(body) => return Ok(body),
                Answer::Moved(next) => url = next,
            }
        }
        Err(format!("more than {MAX_REDIRECTS} redirects"))
    }

    fn fetch(&self, url: &Uri, deadline: Instant) -> Result<Answer, String> {
        // The client takes a timeout of zero for one that has passed.
        let rest = deadline.saturating_duration_since(now());
        let mut request = self.0.get(url).config().timeout_global(Some(rest)).build();
        if !is_https(url) {
            // A proxy cannot reach this host's loopback address.
            request = request.config().proxy(None).build();
        }
        let mut response = request.call().map_err(|error| error.to_string())?;
        match response.status().as_u16() {
            200 => {
                // The reader also fails if the body ends exactly at its limit.
                let body = response.body_mut().with_config().limit(MAX_LEN + 1).read_to_string();
                body.map(Answer::Body).map_err(|error| error.to_string())
            }
            301 | 302 | 303 | 307 | 308 => {
                let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                moved(url, location.unwrap_or_default()).map(Answer::Moved)
            }
            status => Err(format!("status {status}")),
        }
    }
}

impl OidcTransport for HttpClient {
    fn get(&self, url: &str) -> Result<String, String> {
        Self::get(self, url)
    }

    fn post(
        &self,
        url: &str,
        form: Zeroizing<String>,
        authorization: Option<Zeroizing<String>>,
    ) -> Result<(u16, Zeroizing<String>), String> {
        let url = parse(url)?;
        let mut request = self.0.post(&url).content_type("application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(&authorization).map_err(|error| error.to_string())?;
            // Hides the secret in debug output of headers.
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if !is_https(&url) {
            request = request.config().proxy(None).build();
        }
        let mut response = request.send(form.as_str()).map_err(|error| error.to_string())?;
        // SECURITY: a redirect is a response as any other: the form is sent to no other URL.
        let body = response.body_mut().with_config().limit(MAX_LEN + 1).read_to_string();
        Ok((response.status().as_u16(), Zeroizing::new(body.map_err(|error| error.to_string())?)))
    }
}

/// The URL, if requests may be sent to it.
pub(crate) fn parse(url: &str) -> Result<Uri, String> {
    let Ok(uri) = url.parse::<Uri>() else { return Err("must be a URL".to_owned()) };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err("must be a URL with a scheme and a host".to_owned());
    };
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err("must have a host and no user name or password".to_owned());
    }
    let is_local = *scheme == Scheme::HTTP && is_loopback(authority.host());
    if is_https(&uri) || is_local {
        return Ok(uri);
    }
    Err("must be https, or http to a loopback address".to_owned())
}

/// The target of a redirect.
fn moved(from: &Uri, location: &str) -> Result<Uri, String> {
    let next = match (from.scheme(), from.authority()) {
        (Some(scheme), Some(authority)) if location.starts_with('/') && !location.starts_with("//") => {
            parse(&format!("{scheme}://{authority}{location}"))
        }
        _ => parse(location),
    };
    let next = next.map_err(|why| format!("redirected to a URL that is not allowed: it {why}"))?;
    if is_https(from) && !is_https(&next) {
        return Err("redirected from https to http".to_owned());
    }
    Ok(next)
}

#[allow(clippy::disallowed_methods, reason = "it measures the time of a request")]
fn now() -> Instant {
    Instant::now()
}

fn is_https(url: &Uri) -> bool {
    url.scheme() == Some(&Scheme::HTTPS)
}

fn is_loopback(host: &str) -> bool {
    let is_v4 = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_v4 || host == "[::1]" || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_only_over_tls_or_from_loopback() {
        for url in [
            "https://issuer.test/keys",
            "https://issuer.test",
            "HTTPS://issuer.test:8443/keys?a=b",
            "https://10.0.0.1/keys",
            "http://localhost/keys",
            "http://LOCALHOST:8080/keys",
            "http://127.0.0.1:1/keys",
            "http://127.9.9.9/",
            "http://[::1]:8080/keys",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "keys.json",
            "/keys",
            "//issuer.test/keys",
            "issuer.test:443",
            "https:///keys",
            "https://",
            "http://issuer.test/keys",
            "http://10.0.0.1/keys",
            "http://0.0.0.0/keys",
            "http://[::]/keys",
            "http://2130706433/keys",
            "http://127.1/keys",
            "http://localhost.issuer.test/keys",
            "http://127.0.0.1.issuer.test/keys",
            "http://localhost@issuer.test/keys",
            "http://issuer.test@localhost/keys",
            "https://user:password@issuer.test/keys",
            "https://issuer.test/a b",
            "https://issuer.test/\r\nhost: x",
            "file:///etc/passwd",
            "ftp://localhost/keys",
            "unix://localhost/keys",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_redirect_never_leads_from_tls_or_loopback_to_plain_http() {
        let to =
            |from: &str, location| moved(&from.parse().unwrap(), location).map(|url| url.to_string()).ok();
        for (from, location, url) in [
            ("https://a.test/x", "https://b.test/y", Some("https://b.test/y")),
            ("https://a.test:8443/x", "/y?z", Some("https://a.test:8443/y?z")),
            ("http://127.0.0.1/x", "http://127.0.0.1:8080/y", Some("http://127.0.0.1:8080/y")),
            ("http://127.0.0.1/x", "https://b.test/y", Some("https://b.test/y")),
            ("https://a.test/x", "http://a.test/x", None),
            ("https://a.test/x", "http://127.0.0.1/x", None),
            ("http://127.0.0.1/x", "http://a.test/x", None),
            ("https://a.test/x", "//b.test/y", None),
            ("https://a.test/x", "y", None),
            ("https://a.test/x", "", None),
            ("https://a.test/x", "file:///etc/passwd", None),
        ] {
            assert_eq!(to(from, location).as_deref(), url, "{from} {location}");
        }
    }
}
