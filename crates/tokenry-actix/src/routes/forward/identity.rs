//! The headers that identify the caller to the guarded system.

use std::fmt::Write as _;

use actix_web::http::header::{HeaderMap, HeaderValue};
use tokenry_service::ScopeSet;

use super::Permitted;
use crate::identity_headers::IdentityHeaders;

/// Maximum length of the header with the scopes: proxies limit all headers of a response together, many to 4 KiB.
const MAX_SCOPES: usize = 2048;

/// Sets all identity headers; they are empty without a caller. SECURITY: if one were missing, a proxy that copies the headers
/// would keep the client's own.
pub(super) fn write(headers: &mut HeaderMap, names: &IdentityHeaders, permitted: Option<&Permitted>) {
    let values = permitted.map(|permitted| {
        let (token, owner) = (permitted.verified.token(), permitted.verified.owner());
        [
            percent_encode(&owner.id.to_string()),
            percent_encode(owner.subject.as_str()),
            percent_encode(owner.role.as_str()),
            scopes(permitted),
            percent_encode(&token.id.to_string()),
        ]
    });
    for (name, value) in names.names().iter().zip(values.unwrap_or_default()) {
        let value = HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static(""));
        headers.insert(name.clone(), value);
    }
}

/// The effective scopes with every level that they include and those that the request requires. If that is too long, the
/// effective scopes alone, and if these are too long, the required ones alone.
fn scopes(permitted: &Permitted) -> String {
    let effective = permitted.verified.effective();
    let listed = joined(&effective.listed(&permitted.required));
    if listed.len() <= MAX_SCOPES {
        return listed;
    }
    let highest = joined(&effective.to_set());
    if highest.len() <= MAX_SCOPES { highest } else { joined(&permitted.required) }
}

fn joined(scopes: &ScopeSet) -> String {
    let scopes: Vec<_> = scopes.iter().map(|scope| percent_encode(&scope.to_string())).collect();
    scopes.join(" ")
}

/// The text with `%` and everything but visible ASCII percent-encoded, so that it can be decoded again.
/// SECURITY: a header value never contains a line feed or a byte that two programs interpret differently.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b'!'..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    #[test]
    fn values_are_encoded_to_visible_ascii_without_collisions() {
        for (text, header) in [
            ("alice@example.org", "alice@example.org"),
            ("a b", "a%20b"),
            ("100%", "100%25"),
            ("é", "%C3%A9"),
            ("a\r\nX-Resource-Role: admin", "a%0D%0AX-Resource-Role:%20admin"),
            ("\u{0}\u{7f}\u{a0}", "%00%7F%C2%A0"),
            ("", ""),
        ] {
            assert_eq!(percent_encode(text), header);
        }
    }

    #[test]
    fn without_a_caller_all_five_headers_are_empty() {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-resource-role"), HeaderValue::from_static("admin"));
        write(&mut headers, &IdentityHeaders::default(), None);
        assert_eq!(headers.len(), 5);
        assert!(headers.iter().all(|(_, value)| value.is_empty()));
    }
}
