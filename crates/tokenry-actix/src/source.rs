//! The address a request really comes from.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header::HeaderMap, web::Data};
use tokenry_service::IpList;

/// Proxies whose `X-Forwarded-For` is believed, and what they forward for forward-auth. None by default: then the peer of the connection is the source.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(IpList);

impl TrustedProxies {
    /// Believes the proxies in this list; the empty list is nobody.
    #[must_use]
    pub fn new(networks: IpList) -> Self {
        Self(networks)
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        !self.0.is_empty() && self.0.allows(Some(ip))
    }

    /// The source of a request with these headers from `peer`: walking from the nearest hop to the farthest, the
    /// first that is not a trusted proxy. What cannot be read ends the walk at the hop that passed it on.
    fn source(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut source = peer?.to_canonical();
        let entries: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .collect();
        for entry in entries.into_iter().rev() {
            if !self.trusts(source) {
                break;
            }
            let Some(hop) =
                std::str::from_utf8(entry).ok().and_then(|text| text.trim().parse::<IpAddr>().ok())
            else {
                break;
            };
            source = hop.to_canonical();
        }
        Some(source)
    }
}

/// The source address of `req` by the app's [`TrustedProxies`].
pub(crate) fn of(req: &HttpRequest) -> Option<IpAddr> {
    let peer = req.peer_addr().map(|addr| addr.ip());
    match req.app_data::<Data<TrustedProxies>>() {
        Some(proxies) => proxies.source(peer, req.headers()),
        None => TrustedProxies::default().source(peer, req.headers()),
    }
}

/// Whether the connection comes from one of the app's [`TrustedProxies`].
pub(crate) fn is_trusted(req: &HttpRequest) -> bool {
    let proxies = req.app_data::<Data<TrustedProxies>>();
    proxies.zip(req.peer_addr()).is_some_and(|(proxies, peer)| proxies.trusts(peer.ip().to_canonical()))
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpMessage as _, test::TestRequest};

    use super::*;

    fn source(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(IpList::parse(trusted).unwrap());
        let mut req = TestRequest::default();
        for value in forwarded {
            req = req.append_header(("x-forwarded-for", *value));
        }
        proxies.source(Some(peer.parse().unwrap()), req.to_request().headers()).unwrap().to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(source(&[], "10.0.0.1", &["1.2.3.4"]), "10.0.0.1");
    }

    #[test]
    fn the_walk_ends_at_the_first_hop_that_is_not_trusted() {
        let trusted = ["10.0.0.0/8"];
        for (forwarded, expected) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
            (&["9.9.9.9", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            (&["1.2.3.4, unknown"], "10.0.0.1"),
            (&["1.2.3.4, unknown, 10.0.0.3"], "10.0.0.3"),
            (&["10.0.0.5"], "10.0.0.5"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(source(&trusted, "10.0.0.1", forwarded), expected, "{forwarded:?}");
        }
        assert_eq!(source(&trusted, "::ffff:10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(source(&trusted, "8.8.8.8", &["1.2.3.4"]), "8.8.8.8");
    }
}
