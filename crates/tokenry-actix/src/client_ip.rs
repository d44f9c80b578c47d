//! The address a request really comes from.

mod forwarded_for;

use std::net::IpAddr;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web::Data,
};
use tokenry_service::IpList;

/// Longest walk over trusted proxies; no real chain has as many.
const MAX_HOPS: usize = 32;
/// Other headers in which proxies name the client.
const OTHER_NAMES: [&str; 5] =
    ["forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip"];

/// Where a request comes from.
///
/// SECURITY: an address that cannot be read is `Unknown` and never the address of whoever passed it on: no IP list admits
/// it, failed credentials are counted in a bucket of its own, and audit events have no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientIp {
    /// From this address; an IPv4-mapped one is IPv4 here.
    Known(IpAddr),
    /// Nobody can say: a connection without an address, or a trusted proxy forwards what is no address.
    Unknown,
}

impl ClientIp {
    /// The address as the service takes it, where `None` is an unknown source.
    #[must_use]
    pub fn known(self) -> Option<IpAddr> {
        match self {
            Self::Known(ip) => Some(ip),
            Self::Unknown => None,
        }
    }
}

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
    /// first that is not a trusted proxy, or the farthest of nothing but trusted ones. What cannot be read on the way
    /// is an unknown source.
    fn source(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> ClientIp {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return ClientIp::Unknown };
        if !self.trusts(peer) {
            return ClientIp::Known(peer);
        }
        // The proxy names the client in a header that is not read here.
        let is_named = OTHER_NAMES.iter().any(|name| headers.contains_key(*name));
        if !headers.contains_key(header::X_FORWARDED_FOR) && is_named {
            return ClientIp::Unknown;
        }
        let lines: Vec<_> = headers.get_all(header::X_FORWARDED_FOR).collect();
        let entries = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
        let mut farthest = peer;
        for (passed, entry) in entries.enumerate() {
            let hop = forwarded_for::address(entry).filter(|_| passed < MAX_HOPS);
            let Some(hop) = hop else { return ClientIp::Unknown };
            if !self.trusts(hop) {
                return ClientIp::Known(hop);
            }
            farthest = hop;
        }
        ClientIp::Known(farthest)
    }
}

/// The source address of `req` by the app's [`TrustedProxies`].
pub(crate) fn of(req: &HttpRequest) -> ClientIp {
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

    fn source_by(
        trusted: &[&str],
        peer: Option<&str>,
        name: &'static str,
        forwarded: &[&str],
    ) -> Option<String> {
        let proxies = TrustedProxies::new(IpList::parse(trusted).unwrap());
        let mut req = TestRequest::default();
        for value in forwarded {
            req = req.append_header((name, *value));
        }
        let peer = peer.map(|peer| peer.parse().unwrap());
        let source = proxies.source(peer, req.to_request().headers());
        source.known().map(|ip| ip.to_string())
    }

    fn source(trusted: &[&str], peer: &str, forwarded: &[&str]) -> Option<String> {
        source_by(trusted, Some(peer), "x-forwarded-for", forwarded)
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(source(&[], "10.0.0.1", &["1.2.3.4"]).unwrap(), "10.0.0.1");
        assert_eq!(source(&[], "10.0.0.1", &["unknown"]).unwrap(), "10.0.0.1");
    }

    #[test]
    fn the_walk_ends_at_the_first_hop_that_is_not_trusted() {
        let trusted = ["10.0.0.0/8", "2001:db8:ffff::/48"];
        for (forwarded, expected) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
            (&["9.9.9.9", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            (&["9.9.9.9", "1.2.3.4", "10.0.0.2", "10.0.0.3"], "1.2.3.4"),
            (&["1.2.3.4:5123"], "1.2.3.4"),
            (&["9.9.9.9, 1.2.3.4:5123,10.0.0.2:443, [2001:db8:ffff::7]:443"], "1.2.3.4"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            // Only the client is beyond the first hop that is not trusted; what it wrote there means nothing.
            (&["unknown, 1.2.3.4"], "1.2.3.4"),
            (&["", "1.2.3.4"], "1.2.3.4"),
            // Nothing but trusted proxies: the farthest of them asks by itself.
            (&["10.0.0.5"], "10.0.0.5"),
            (&["10.0.0.5:1, 10.0.0.6:2"], "10.0.0.5"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            (&["9.9.9.9, ::ffff:10.0.0.5"], "9.9.9.9"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(source(&trusted, "10.0.0.1", forwarded).as_deref(), Some(expected), "{forwarded:?}");
        }
        assert_eq!(source(&trusted, "::ffff:10.0.0.1", &["1.2.3.4"]).unwrap(), "1.2.3.4");
        assert_eq!(source(&trusted, "8.8.8.8", &["1.2.3.4"]).unwrap(), "8.8.8.8");
        assert_eq!(source(&trusted, "8.8.8.8", &["unknown"]).unwrap(), "8.8.8.8");
    }

    #[test]
    fn what_a_trusted_proxy_forwards_and_nobody_can_read_is_an_unknown_source() {
        for forwarded in [
            &["unknown"][..],
            &["_hidden"],
            &[""],
            &[" \t"],
            &["1.2.3.4,"],
            &["1.2.3.4, ,10.0.0.3"],
            &["1.2.3.4, unknown"],
            &["1.2.3.4, unknown, 10.0.0.3"],
            &["1.2.3.4", ""],
            &["1.2.3.4, fe80::1%eth0"],
            &["localhost"],
            &["1.2.3.4;"],
        ] {
            assert_eq!(source(&["10.0.0.0/8"], "10.0.0.1", forwarded), None, "{forwarded:?}");
        }
    }

    #[test]
    fn a_connection_without_an_address_is_an_unknown_source_whatever_it_forwards() {
        for forwarded in [&[][..], &["1.2.3.4"], &["10.0.0.1"]] {
            assert_eq!(source_by(&["10.0.0.0/8"], None, "x-forwarded-for", forwarded), None);
            assert_eq!(source_by(&[], None, "x-forwarded-for", forwarded), None);
        }
    }

    #[test]
    fn a_proxy_that_names_the_client_elsewhere_is_not_the_client() {
        for name in OTHER_NAMES {
            let named = &["1.2.3.4"];
            assert_eq!(source_by(&["10.0.0.1"], Some("10.0.0.1"), name, named), None, "{name}");
            assert_eq!(source_by(&[], Some("10.0.0.1"), name, named).unwrap(), "10.0.0.1", "{name}");
        }
    }

    #[test]
    fn a_chain_that_is_longer_than_any_is_an_unknown_source() {
        let chain = |hops: usize| format!("1.2.3.4{}", ",10.0.0.2".repeat(hops));
        assert_eq!(source(&["10.0.0.0/8"], "10.0.0.1", &[&chain(MAX_HOPS - 1)]).unwrap(), "1.2.3.4");
        assert_eq!(source(&["10.0.0.0/8"], "10.0.0.1", &[&chain(MAX_HOPS)]), None);
        assert_eq!(source(&["10.0.0.0/8"], "10.0.0.1", &[&chain(10_000)]), None);
    }
}
