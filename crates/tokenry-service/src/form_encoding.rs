//! The encoding of forms, `application/x-www-form-urlencoded` (RFC 6749, appendix B).
//!
//! Decoded here and not by a library: those that exist keep a `%` without two digits, which two programs may read
//! differently.

/// The bytes of an encoded name or value; `None` if a `%` is not followed by two hexadecimal digits.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.iter().copied();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(bytes.next())? << 4 | hex_digit(bytes.next())?,
            other => other,
        });
    }
    Some(decoded)
}

fn hex_digit(byte: Option<u8>) -> Option<u8> {
    char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_escapes_are_decoded() {
        assert_eq!(decode(b"a+b%2B%c3%A9").unwrap(), "a b+\u{e9}".as_bytes());
        assert_eq!(decode(b"").unwrap(), b"");
        for text in ["%", "a%", "%4", "%zz", "%4z", "%+1", "%%41"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
