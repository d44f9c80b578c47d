//! The hosts and ports of an address.

use std::{fmt, net::IpAddr};

use url::{Host as Parsed, Url};

use super::decode;

/// The port if the address names none.
const PORT: u16 = 5432;

/// A host and port, both explicit, so that libpq uses no defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: Name,
    pub(super) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// The folder of a Unix socket.
    Folder(String),
    Ip(IpAddr),
    Dns(String),
}

impl Host {
    /// The host of an address with one host.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let name = match url.host()? {
            Parsed::Ipv4(ip) => Name::Ip(ip.into()),
            Parsed::Ipv6(ip) => Name::Ip(ip.into()),
            Parsed::Domain(text) => Name::parse(&decode(text)?)?,
        };
        let port = url.port().unwrap_or(PORT);
        (port != 0).then_some(Self { name, port })
    }

    /// The hosts of the parameters `host` and `port`.
    pub(super) fn list(hosts: &str, ports: Option<&str>) -> Option<Vec<Self>> {
        let names: Vec<_> = hosts.split(',').map(Name::parse).collect::<Option<_>>()?;
        let mut ports: Vec<u16> =
            ports.map_or(Some(vec![PORT]), |ports| ports.split(',').map(parse_port).collect())?;
        if let [only] = ports[..] {
            ports.resize(names.len(), only);
        }
        let is_paired = ports.len() == names.len();
        is_paired.then(|| names.into_iter().zip(ports).map(|(name, port)| Self { name, port }).collect())
    }

    /// Whether a connection stays on this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.name {
            Name::Folder(_) => true,
            Name::Ip(ip) => ip.is_loopback(),
            Name::Dns(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl Name {
    /// SECURITY: rejects every text that libpq could interpret differently, as two hosts or as another form of address. So
    /// [`url::Host::parse`] is not used, which takes `127.1` for an IP address.
    fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            let is_one = !text.contains([',', '\0']) && !text.chars().any(char::is_control);
            return is_one.then(|| Self::Folder(text.to_owned()));
        }
        if let Ok(ip) = text.parse() {
            return Some(Self::Ip(ip));
        }
        let labels = text.strip_suffix('.').unwrap_or(text);
        (text.len() <= 253 && labels.split('.').all(is_label)).then(|| Self::Dns(text.to_owned()))
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => f.write_str(path),
            Self::Ip(ip) => ip.fmt(f),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Host {
    /// The form used in an address; the default port is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Folder(path) => f.write_str(&path.replace('/', "%2F"))?,
            Name::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            name => name.fmt(f)?,
        }
        if self.port == PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}
