//! The source address of a request, also behind trusted proxies, for the adapters of every framework.

mod forwarded_for;

use std::net::{IpAddr, Ipv6Addr};

use tokenry_domain::IpList;

/// Maximum number of trusted proxies in a chain; no real chain is as long.
const MAX_HOPS: usize = 32;
/// Other headers in which proxies send the address of the client.
const OTHER_NAMES: [&str; 5] =
    ["forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip"];

/// The source address of a request.
///
/// SECURITY: an unreadable address is `Unknown` and never the address of the proxy: no IP list allows it, failed
/// credentials have a separate count, and audit events have no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientIp {
    /// This address; an IPv4-mapped IPv6 address is converted to IPv4.
    Known(IpAddr),
    /// Not known: the connection has no address, or a trusted proxy forwards no valid address.
    Unknown,
}

impl ClientIp {
    /// The address for service calls, where `None` is an unknown source.
    #[must_use]
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Known(ip) => Some(ip),
            Self::Unknown => None,
        }
    }
}

/// The proxies whose `X-Forwarded-For` and forward-auth headers are trusted. Default: none, so that the peer of the
/// connection is the source.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(IpList);

impl TrustedProxies {
    /// Trusts the proxies in this list; the empty list trusts none.
    #[must_use]
    pub fn new(networks: IpList) -> Self {
        Self(networks)
    }

    /// Whether a connection from this peer is one of a trusted proxy.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        !self.0.is_empty() && self.0.allows(Some(peer))
    }

    /// The source of a request from `peer`. `lines` returns the values of all headers with a name, in order.
    ///
    /// Of the hops from the nearest to the farthest it is the first that is not a trusted proxy, or the farthest if all
    /// are trusted. An unreadable hop before that is an unknown source.
    #[must_use]
    pub fn source<'h>(
        &self,
        peer: Option<IpAddr>,
        lines: impl Fn(&'static str) -> Vec<&'h [u8]>,
    ) -> ClientIp {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return ClientIp::Unknown };
        if !self.trusts(peer) {
            return ClientIp::Known(peer);
        }
        // SECURITY: no other header is ever read as an address, and one beside X-Forwarded-For changes nothing, because
        // most proxies pass on what the client sent there: it would choose its address, or hide it from the audit log.
        // Alone, it shows that the proxy does not set X-Forwarded-For, so that the proxy's own address is not the source.
        let forwarded = lines("x-forwarded-for");
        if forwarded.is_empty() && OTHER_NAMES.iter().any(|name| !lines(name).is_empty()) {
            return ClientIp::Unknown;
        }
        let entries = forwarded.iter().rev().flat_map(|line| line.rsplit(|b| *b == b','));
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

/// Reduces an IPv6 address to its /64 network: providers assign one to each customer.
pub(crate) fn source_network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_by(
        trusted: &[&str],
        peer: Option<&str>,
        name: &'static str,
        forwarded: &[&str],
    ) -> Option<String> {
        let proxies = TrustedProxies::new(IpList::parse(trusted).unwrap());
        let peer = peer.map(|peer| peer.parse().unwrap());
        let lines = |wanted: &str| match wanted == name {
            true => forwarded.iter().map(|line| line.as_bytes()).collect(),
            false => Vec::new(),
        };
        let source = proxies.source(peer, lines);
        source.address().map(|ip| ip.to_string())
    }

    fn source(trusted: &[&str], peer: &str, forwarded: &[&str]) -> Option<String> {
        source_by(trusted, Some(peer), "x-forwarded-for", forwarded)
    }

    #[test]
    fn no_proxy_is_trusted_by_default() {
        assert_eq!(source(&[], "10.0.0.1", &["1.2.3.4"]).unwrap(), "10.0.0.1");
        assert_eq!(source(&[], "10.0.0.1", &["unknown"]).unwrap(), "10.0.0.1");
    }

    #[test]
    fn the_source_is_the_first_hop_that_is_not_trusted() {
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
            // Entries beyond the first untrusted hop are written by the client and ignored.
            (&["unknown, 1.2.3.4"], "1.2.3.4"),
            (&["", "1.2.3.4"], "1.2.3.4"),
            // All hops are trusted: the farthest of them is the client.
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
    fn an_unreadable_entry_of_a_trusted_proxy_is_an_unknown_source() {
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
    fn a_connection_without_an_address_is_an_unknown_source() {
        for forwarded in [&[][..], &["1.2.3.4"], &["10.0.0.1"]] {
            assert_eq!(source_by(&["10.0.0.0/8"], None, "x-forwarded-for", forwarded), None);
            assert_eq!(source_by(&[], None, "x-forwarded-for", forwarded), None);
        }
    }

    #[test]
    fn a_proxy_that_sends_the_client_in_another_header_is_not_the_source() {
        for name in OTHER_NAMES {
            let named = &["1.2.3.4"];
            assert_eq!(source_by(&["10.0.0.1"], Some("10.0.0.1"), name, named), None, "{name}");
            assert_eq!(source_by(&[], Some("10.0.0.1"), name, named).unwrap(), "10.0.0.1", "{name}");
        }
    }

    #[test]
    fn no_other_header_of_a_client_changes_or_hides_its_address() {
        let proxies = TrustedProxies::new(IpList::parse(&["10.0.0.0/8"]).unwrap());
        let peer = Some("10.0.0.1".parse().unwrap());
        for name in OTHER_NAMES {
            for claim in ["10.0.0.9", "192.0.2.9", "for=192.0.2.9", "unknown", ""] {
                let source = |forwarded: Option<&'static str>| {
                    proxies.source(peer, |wanted| match wanted {
                        "x-forwarded-for" => forwarded.iter().map(|line| line.as_bytes()).collect(),
                        wanted if wanted == name => vec![claim.as_bytes()],
                        _ => Vec::new(),
                    })
                };
                // Appended by the proxy to what the client sent, or set by it.
                for forwarded in ["203.0.113.7", "192.0.2.9, 203.0.113.7", "10.0.0.9,203.0.113.7:5000"] {
                    let known = source(Some(forwarded)).address().map(|ip| ip.to_string());
                    assert_eq!(known.as_deref(), Some("203.0.113.7"), "{name}: {claim} {forwarded}");
                }
                // Without it, the claim is no address either.
                assert_eq!(source(None), ClientIp::Unknown, "{name}: {claim}");
            }
        }
    }

    #[test]
    fn a_chain_over_the_limit_is_an_unknown_source() {
        let chain = |hops: usize| format!("1.2.3.4{}", ",10.0.0.2".repeat(hops));
        assert_eq!(source(&["10.0.0.0/8"], "10.0.0.1", &[&chain(MAX_HOPS - 1)]).unwrap(), "1.2.3.4");
        assert_eq!(source(&["10.0.0.0/8"], "10.0.0.1", &[&chain(MAX_HOPS)]), None);
        assert_eq!(source(&["10.0.0.0/8"], "10.0.0.1", &[&chain(10_000)]), None);
    }
}
