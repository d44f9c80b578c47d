//! The secret of Tokenry as a client of another service.

use zeroize::Zeroizing;

/// The longest secret, in bytes.
const MAX_LEN: usize = 4096;

/// A client secret that an OpenID provider has issued to this installation. Wiped on drop.
///
/// It cannot be printed, copied, compared or serialized:
/// ```compile_fail
/// fn log(secret: tokenry_crypto::ClientSecret) { println!("{secret:?}") }
/// ```
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Wraps a secret of 1 to 4,096 visible ASCII characters (RFC 6749, appendix A.2, without spaces at its ends).
    #[must_use]
    pub fn parse(text: Zeroizing<String>) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        let is_valid = is_plain && text.trim() == text.as_str() && (1..=MAX_LEN).contains(&text.len());
        is_valid.then_some(Self(text))
    }

    /// The text, for a request to the token endpoint of its provider and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(
        ClientSecret: std::fmt::Debug, std::fmt::Display, Clone, Copy, PartialEq, AsRef<str>
    );

    #[test]
    fn a_secret_is_visible_ascii_without_spaces_at_its_ends() {
        let parse = |text: &str| ClientSecret::parse(Zeroizing::new(text.to_owned()));
        for text in ["x", "a b:c%&=+", &"x".repeat(4096)] {
            assert_eq!(parse(text).unwrap().expose(), text);
        }
        for text in ["", " x", "x ", "x\n", "a\tb", "\u{e9}", &"x".repeat(4097)] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }
}
