//! Parses one entry of `X-Forwarded-For`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Maximum length of an entry: an IPv6 address with an embedded IPv4 address, in brackets, and a port.
const MAX_LEN: usize = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535".len();

/// The address of an entry: IPv4 or IPv6, optionally with a port (IPv6 then in brackets), surrounded by optional blanks.
/// `None` for anything else, such as `unknown`, `_hidden`, an IPv6 address with a zone, or an empty entry.
pub(super) fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    if text.len() > MAX_LEN {
        return None;
    }
    let ip = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
            return None;
        }
        IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)
    } else if let Some((address, port)) = text.split_once(':').filter(|(_, port)| !port.contains(':')) {
        // Exactly one colon: every IPv6 address has at least two.
        if !is_port(port) {
            return None;
        }
        IpAddr::V4(address.parse::<Ipv4Addr>().ok()?)
    } else {
        text.parse().ok()?
    };
    Some(ip.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 5 && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_formats_of_an_address_are_parsed() {
        for (entry, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:5123", "203.0.113.9"),
            ("203.0.113.9:0", "203.0.113.9"),
            ("203.0.113.9:65535", "203.0.113.9"),
            (" \t203.0.113.9:5123 \t", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8::0001", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::1", "::1"),
            ("::", "::"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:443", "203.0.113.9"),
            ("::ffff:cb00:7109", "203.0.113.9"),
            // Without brackets the last group belongs to the address.
            ("2001:db8::1:443", "2001:db8::1:443"),
        ] {
            assert_eq!(address(entry.as_bytes()), Some(expected.parse().unwrap()), "{entry}");
        }
    }

    #[test]
    fn other_formats_are_rejected() {
        let long = format!("{}203.0.113.9", "0".repeat(60));
        for entry in [
            "",
            " ",
            "unknown",
            "_hidden",
            "_gazonk:80",
            "localhost",
            "203.0.113",
            "203.0.113.256",
            "203.0.113.09",
            "0xcb.0.113.9",
            "3405803785",
            "203.0.113.9:",
            "203.0.113.9:x",
            "203.0.113.9:+1",
            "203.0.113.9:-1",
            "203.0.113.9:65536",
            "203.0.113.9:000001",
            "203.0.113.9: 80",
            "203.0.113.9 80",
            "203.0.113.9:80:80",
            "203.0.113.9/32",
            "[203.0.113.9]",
            "[203.0.113.9]:80",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[2001:db8::1]:x",
            "[2001:db8::1]:1:2",
            "[[2001:db8::1]]",
            "[]",
            "[]:80",
            "fe80::1%eth0",
            "fe80::1%1",
            "[fe80::1%eth0]:443",
            "1:2:3:4:5:6:7:8:443",
            "\"203.0.113.9\"",
            "for=203.0.113.9",
            "203.0.113.9;203.0.113.10",
            "\u{a0}203.0.113.9",
            "203.0.113.9\u{200b}",
            &long,
        ] {
            assert_eq!(address(entry.as_bytes()), None, "{entry}");
        }
        assert_eq!(address(b"203.0.113.9\xff"), None);
    }

    proptest! {
        #[test]
        fn every_address_is_parsed_with_and_without_port(ip: IpAddr, port: u16) {
            let canonical = Some(ip.to_canonical());
            prop_assert_eq!(address(ip.to_string().as_bytes()), canonical);
            prop_assert_eq!(address(std::net::SocketAddr::new(ip, port).to_string().as_bytes()), canonical);
        }

        #[test]
        fn parsing_never_panics(entry: Vec<u8>) {
            let _ = address(&entry);
        }
    }
}
