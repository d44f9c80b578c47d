//! A token's secret text.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokenry_domain::{PublicId, SecretCheck};
use zeroize::Zeroizing;

use crate::{
    format::{BODY_LEN, PUBLIC_ID_LEN, ParseError, Prefix, check, checksum},
    rng::{RngError, SecretRng},
};

/// A token's secret text, alive from generation to the one response that shows it, or from the request's header to
/// the digest. Wiped on drop.
///
/// It cannot be printed, copied, compared or serialized:
/// ```compile_fail
/// fn log(token: tokenry_crypto::PlainToken) { println!("{token:?}") }
/// ```
pub struct PlainToken {
    text: Zeroizing<String>,
    prefix_len: usize,
}

impl PlainToken {
    /// Draws a new token: 9 bytes of public id and 32 of secret from `rng`.
    ///
    /// # Errors
    /// [`RngError`].
    pub fn generate(prefix: &Prefix, rng: &mut SecretRng) -> Result<Self, RngError> {
        let mut text = Zeroizing::new(String::with_capacity(prefix.as_str().len() + BODY_LEN));
        text.push_str(prefix.as_str());
        push_alphanumeric::<9>(&mut text, rng)?;
        push_alphanumeric::<32>(&mut text, rng)?;
        let sum = checksum(&text);
        text.push_str(&sum);
        Ok(Self { text, prefix_len: prefix.as_str().len() })
    }

    /// Reads a presented text. Only the exact form with its checksum is a token; no bytes make it panic.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(prefix: &Prefix, presented: &[u8]) -> Result<Self, ParseError> {
        let text = check(prefix, presented)?;
        Ok(Self { text: Zeroizing::new(text.to_owned()), prefix_len: prefix.as_str().len() })
    }

    /// Prefix and public id: safe to log and to show.
    #[must_use]
    pub fn public_id(&self) -> PublicId {
        let shown = self.text.get(..self.prefix_len + PUBLIC_ID_LEN).unwrap_or_default();
        PublicId::from_stored(shown.to_owned())
    }

    /// The last four characters, which are of the checksum: safe to show.
    #[must_use]
    pub fn suffix(&self) -> String {
        self.text.get(self.text.len() - 4..).unwrap_or_default().to_owned()
    }

    /// The first eight bytes of SHA-256("tokenry check v1" ‖ token), which rows had before there were proofs.
    #[must_use]
    pub fn check(&self) -> SecretCheck {
        let digest = self.digest(b"tokenry check v1");
        let mut bytes = [0; 8];
        bytes.copy_from_slice(digest.first_chunk::<8>().unwrap_or(&[0; 8]));
        SecretCheck::from_stored(bytes)
    }

    /// Whether the stored check is this token's, in constant time. It refuses; it never proves.
    #[must_use]
    pub fn check_matches(&self, stored: &SecretCheck) -> bool {
        self.check().as_bytes().ct_eq(stored.as_bytes()).into()
    }

    /// Gives the text away, for the one response that shows it.
    #[must_use]
    pub fn reveal_once(self) -> Zeroizing<String> {
        self.text
    }

    /// SHA-256(label ‖ token).
    pub(crate) fn digest(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(Sha256::new().chain_update(label).chain_update(self.text.as_bytes()).finalize().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// For a comparison on another thread. Not `Clone`: nobody outside this crate copies a plaintext.
    pub(crate) fn duplicate(&self) -> Self {
        Self { text: Zeroizing::new(self.text.to_string()), prefix_len: self.prefix_len }
    }
}

/// How often a part is drawn before the generator counts as broken: a good one fails so often with a chance below
/// 2^-200 (0.74^512), a stuck one would hold the thread for ever.
const MAX_DRAWS: usize = 512;

/// Appends the base64url text of N random bytes, drawn again until it has only letters and digits: every text that
/// can be accepted is equally likely, and a double click selects it whole.
fn push_alphanumeric<const N: usize>(text: &mut String, rng: &mut SecretRng) -> Result<(), RngError> {
    let mut bytes = Zeroizing::new([0; N]);
    for _ in 0..MAX_DRAWS {
        rng.fill(bytes.as_mut_slice())?;
        let drawn = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        if drawn.bytes().all(|b| b.is_ascii_alphanumeric()) {
            text.push_str(&drawn);
            return Ok(());
        }
    }
    Err(RngError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    static_assertions::assert_not_impl_any!(
        PlainToken: std::fmt::Debug, std::fmt::Display, Clone, Copy, PartialEq, std::hash::Hash, AsRef<str>
    );

    fn prefix() -> Prefix {
        Prefix::parse("mcp_pat_").unwrap()
    }

    fn generated(seed: u64) -> String {
        PlainToken::generate(&prefix(), &mut SecretRng::seeded(seed)).unwrap().reveal_once().to_string()
    }

    #[test]
    fn the_format_never_drifts() {
        assert_eq!(generated(1), FIXED);
        let token = PlainToken::parse(&prefix(), FIXED.as_bytes()).unwrap();
        assert_eq!(token.public_id().as_str(), &FIXED[..20]);
        assert_eq!(token.suffix(), &FIXED[FIXED.len() - 4..]);
    }

    const FIXED: &str = "mcp_pat_eDglgipvnmLarfIcA0Gk38oyAMJmj0sEEoJxnMisdGyLQ7DRpPuZ9kM1b28zo";

    #[test]
    fn generated_tokens_have_the_format_and_are_unique() {
        let mut rng = SecretRng::os();
        let mut seen = HashSet::new();
        for _ in 0..2000 {
            let token = PlainToken::generate(&prefix(), &mut rng).unwrap();
            assert!(seen.insert(token.public_id().to_string()));
            let text = token.reveal_once();
            assert_eq!(text.len(), 8 + 61);
            assert!(text.starts_with("mcp_pat_") && text[8..].bytes().all(|b| b.is_ascii_alphanumeric()));
            assert!(PlainToken::parse(&prefix(), text.as_bytes()).is_ok());
        }
    }

    #[test]
    fn a_stuck_generator_is_an_error_and_not_a_hang() {
        for byte in [0xff, 0xfb] {
            let result = PlainToken::generate(&prefix(), &mut SecretRng::stuck(byte));
            assert_eq!(result.err(), Some(RngError));
        }
    }

    #[test]
    fn every_shortened_token_is_refused() {
        let text = generated(2);
        for end in 0..text.len() {
            assert!(PlainToken::parse(&prefix(), &text.as_bytes()[..end]).is_err());
            assert!(PlainToken::parse(&prefix(), &text.as_bytes()[text.len() - end..]).is_err());
        }
        for longer in [format!("{text} "), format!(" {text}"), format!("{text}\0"), format!("{text}{text}")] {
            assert!(matches!(PlainToken::parse(&prefix(), longer.as_bytes()), Err(ParseError::Length)));
        }
    }

    #[test]
    fn another_prefix_is_refused_even_of_the_same_length() {
        let text = generated(3).replace("mcp_pat_", "mcp_pbt_");
        assert!(matches!(PlainToken::parse(&prefix(), text.as_bytes()), Err(ParseError::Prefix)));
    }

    #[test]
    fn the_check_is_of_the_whole_token() {
        let token = PlainToken::parse(&prefix(), generated(4).as_bytes()).unwrap();
        let other = PlainToken::parse(&prefix(), generated(5).as_bytes()).unwrap();
        assert!(token.check_matches(&token.check()));
        assert!(!token.check_matches(&other.check()));
    }

    proptest! {
        #[test]
        fn a_change_of_any_one_character_is_noticed(seed in 0..1000_u64, index in 0..69_usize, with in 0x20..0x7f_u8) {
            let text = generated(seed);
            let mut bytes = text.clone().into_bytes();
            bytes[index] = with;
            prop_assert_eq!(PlainToken::parse(&prefix(), &bytes).is_ok(), bytes == text.as_bytes());
        }

        #[test]
        fn an_inserted_missing_or_swapped_character_is_noticed(
            seed in 0..1000_u64, index in 0..68_usize, with: u8, tail in "[A-Za-z0-9]{1,8}",
        ) {
            let text = generated(seed);
            let bytes = text.as_bytes();
            let (mut inserted, mut missing, mut swapped, mut case) =
                (bytes.to_vec(), bytes.to_vec(), bytes.to_vec(), bytes.to_vec());
            inserted.insert(index, with);
            missing.remove(index);
            swapped.swap(index, index + 1);
            case[index] ^= 0x20;
            for other in [inserted, missing, swapped, case, [bytes, tail.as_bytes()].concat()] {
                prop_assert!(other == bytes || PlainToken::parse(&prefix(), &other).is_err());
            }
        }

        #[test]
        fn no_bytes_make_parsing_panic_and_whatever_parses_writes_back(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            body in "[A-Za-z0-9]{61}",
        ) {
            for presented in [bytes, format!("mcp_pat_{body}").into_bytes()] {
                if let Ok(token) = PlainToken::parse(&prefix(), &presented) {
                    let text = token.reveal_once();
                    prop_assert_eq!(text.as_bytes(), presented);
                }
            }
        }
    }
}
