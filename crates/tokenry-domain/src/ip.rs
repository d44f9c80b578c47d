//! The source addresses that a token allows.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

/// The maximum number of networks in a list.
pub const MAX_NETWORKS: usize = 32;

/// The networks that a token allows. The empty list allows any address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpList(Vec<IpNet>);

/// Why a list was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IpListError {
    /// More than [`MAX_NETWORKS`].
    #[error("must have at most {MAX_NETWORKS} entries")]
    TooMany,
    /// The entry at `index` is neither an address nor a network in CIDR notation.
    #[error("must be an IP address or a network such as 10.0.0.0/8")]
    Entry {
        /// Position in the list, from 0.
        index: usize,
    },
}

impl IpList {
    /// Parses addresses and CIDR networks. Host bits are cleared and IPv4-mapped IPv6 becomes IPv4, so that one
    /// network has one spelling.
    ///
    /// # Errors
    /// [`IpListError`] names the first invalid entry.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, IpListError> {
        if entries.len() > MAX_NETWORKS {
            return Err(IpListError::TooMany);
        }
        let mut networks = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let network = parse_network(entry.as_ref()).ok_or(IpListError::Entry { index })?;
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        Ok(Self(networks))
    }

    /// Whether a request from `source` is allowed. An unknown source is allowed only by the empty list.
    #[must_use]
    pub fn allows(&self, source: Option<IpAddr>) -> bool {
        self.0.is_empty()
            || source.is_some_and(|ip| {
                let ip = ip.to_canonical();
                self.0.iter().any(|network| network.contains(&ip))
            })
    }

    /// Whether every address of this list is also in `other`.
    #[must_use]
    pub fn is_subset_of(&self, other: &Self) -> bool {
        other.0.is_empty()
            || (!self.0.is_empty()
                && self.0.iter().all(|mine| other.0.iter().any(|theirs| theirs.contains(mine))))
    }

    /// The addresses that both lists allow; `None` if there are none, since the empty list allows any.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.is_empty() || other.is_empty() {
            return Some(if self.is_empty() { other.clone() } else { self.clone() });
        }
        // Of two networks one contains the other, or they have nothing in common.
        let within = |inner: &Self, outer: &Self| -> Vec<IpNet> {
            let is_within = |network: &&IpNet| outer.0.iter().any(|outer| outer.contains(*network));
            inner.0.iter().filter(is_within).copied().collect()
        };
        let mut common = within(self, other);
        common.extend(within(other, self).into_iter().filter(|network| !self.0.contains(network)));
        (!common.is_empty()).then_some(Self(common))
    }

    /// Whether the list allows any address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks in the order they were given, single addresses without their prefix length.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(network_text).collect()
    }
}

fn network_text(network: &IpNet) -> String {
    let is_address = network.prefix_len() == network.max_prefix_len();
    if is_address { network.addr().to_string() } else { network.to_string() }
}

fn parse_network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(ip) => IpNet::from(ip),
        Err(_) => text.parse::<IpNet>().ok()?.trunc(),
    };
    let IpNet::V6(v6) = network else { return Some(network) };
    match v6.addr().to_ipv4_mapped() {
        Some(v4) if v6.prefix_len() >= 96 => {
            Some(IpNet::V4(ipnet::Ipv4Net::new(v4, v6.prefix_len() - 96).ok()?.trunc()))
        }
        _ => Some(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> IpList {
        IpList::parse(entries).unwrap()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn mapped_addresses_match_their_ipv4_network() {
        assert!(list(&["10.0.0.0/8"]).allows(ip("::ffff:10.1.2.3")));
        assert!(list(&["::ffff:10.1.2.3"]).allows(ip("10.1.2.3")));
        assert!(!list(&["10.0.0.0/8"]).allows(ip("11.1.2.3")));
        assert!(list(&["2001:db8::/32"]).allows(ip("2001:db8::1")));
    }

    #[test]
    fn every_nonempty_list_rejects_an_unknown_source() {
        assert!(!list(&["0.0.0.0/0", "::/0"]).allows(None));
        assert!(IpList::default().allows(None));
    }

    #[test]
    fn the_empty_list_is_not_a_subset_of_a_list() {
        assert!(!IpList::default().is_subset_of(&list(&["10.0.0.0/8"])));
        assert!(list(&["10.1.0.0/16", "10.2.0.1"]).is_subset_of(&list(&["10.0.0.0/8"])));
        assert!(!list(&["10.0.0.0/7"]).is_subset_of(&list(&["10.0.0.0/8"])));
        assert!(list(&["10.0.0.0/8"]).is_subset_of(&IpList::default()));
    }

    #[test]
    fn the_intersection_allows_what_both_lists_allow() {
        let nets = list(&["10.0.0.0/8", "192.168.1.0/24", "::1"]);
        let other = list(&["10.1.0.0/16", "192.168.0.0/16", "10.2.0.1", "::2"]);
        let common = nets.intersection(&other).unwrap();
        assert_eq!(common.to_texts(), ["192.168.1.0/24", "10.1.0.0/16", "10.2.0.1"]);
        assert_eq!(nets.intersection(&nets), Some(nets.clone()));
        assert_eq!(nets.intersection(&IpList::default()), Some(nets.clone()));
        assert_eq!(IpList::default().intersection(&nets), Some(nets.clone()));
        assert_eq!(nets.intersection(&list(&["11.0.0.0/8"])), None, "not the empty list, which allows any");
    }

    #[test]
    fn a_network_has_one_spelling() {
        assert_eq!(list(&["10.1.2.3/8", "10.0.0.0/8", "::1/128"]).to_texts(), ["10.0.0.0/8", "::1"]);
    }

    #[test]
    fn invalid_entries_are_named() {
        for (entries, index) in [
            (["10.0.0.1", "10.0.0.256"], 1),
            (["", "::1"], 0),
            (["10.0.0.0/33", "::1"], 0),
            (["localhost", "::1"], 0),
        ] {
            assert_eq!(IpList::parse(&entries), Err(IpListError::Entry { index }));
        }
        assert_eq!(IpList::parse(&["::1"; 33]), Err(IpListError::TooMany));
    }
}
