//! A token's secret text.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokenry_domain::{PublicId, SecretCheck};
use zeroize::Zeroizing;

use crate::{
    format::{BODY_LEN, PUBLIC_ID_LEN, ParseError, Prefix, check, checksum},
    rng::{RngError, SecretRng},
};

/// The plaintext of a token. It exists from generation until the one response that shows it, or from the request header
/// until its digest is computed. Wiped on drop.
///
/// It cannot be printed, copied, compared or serialized:
/// ```compile_fail
/// fn log(token: tokenry_crypto::PlainToken) { println!("{token:?}") }
/// ```
pub struct PlainToken {
    text: Zeroizing<String>,
    issuer: Issuer,
}

/// Who issued a token.
#[derive(Clone)]
enum Issuer {
    /// Tokenry, with a prefix of this length.
    Own { prefix_len: usize },
    /// Another system: the public id of its row, and the part of the text that the stored hash covers.
    Other { public_id: PublicId, hashed: Range<usize> },
}

impl PlainToken {
    /// Generates a new token: a public id of 9 bytes and a secret of 32 bytes from `rng`.
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
        Ok(Self { text, issuer: Issuer::Own { prefix_len: prefix.as_str().len() } })
    }

    /// Wraps a presented text that has the shape of an imported token.
    pub(crate) fn imported(text: &str, public_id: PublicId, hashed: Range<usize>) -> Self {
        Self { text: Zeroizing::new(text.to_owned()), issuer: Issuer::Other { public_id, hashed } }
    }

    /// Parses a presented text. Only the exact format with a valid checksum is accepted. Never panics.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(prefix: &Prefix, presented: &[u8]) -> Result<Self, ParseError> {
        let text = check(prefix, presented)?;
        let issuer = Issuer::Own { prefix_len: prefix.as_str().len() };
        Ok(Self { text: Zeroizing::new(text.to_owned()), issuer })
    }

    /// Prefix and public id, safe to log and to display; of an imported token, the key of its row.
    #[must_use]
    pub fn public_id(&self) -> PublicId {
        match &self.issuer {
            Issuer::Own { prefix_len } => {
                let public_id = self.text.get(..prefix_len + PUBLIC_ID_LEN).unwrap_or_default();
                PublicId::from_stored(public_id.to_owned())
            }
            Issuer::Other { public_id, .. } => public_id.clone(),
        }
    }

    /// Whether another system issued it, so that its strength is not known.
    #[must_use]
    pub fn is_imported(&self) -> bool {
        matches!(self.issuer, Issuer::Other { .. })
    }

    /// The last four characters, which belong to the checksum: safe to display. Empty for an imported token.
    #[must_use]
    pub fn suffix(&self) -> String {
        if self.is_imported() {
            return String::new();
        }
        self.text.get(self.text.len() - 4..).unwrap_or_default().to_owned()
    }

    /// The first eight bytes of SHA-256("tokenry check v1" ‖ token), stored in rows from before proofs existed.
    #[must_use]
    pub fn check(&self) -> SecretCheck {
        let digest = self.digest(b"tokenry check v1");
        let mut bytes = [0; 8];
        bytes.copy_from_slice(digest.first_chunk::<8>().unwrap_or(&[0; 8]));
        SecretCheck::from_stored(bytes)
    }

    /// Whether the stored check belongs to this token, compared in constant time. A mismatch rejects the token; a match
    /// proves nothing.
    #[must_use]
    pub fn check_matches(&self, stored: &SecretCheck) -> bool {
        self.check().as_bytes().ct_eq(stored.as_bytes()).into()
    }

    /// Returns the text for the one response that shows it.
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

    /// The part of an imported token that its stored hash covers; all of an own one.
    pub(crate) fn hashed(&self) -> &[u8] {
        match &self.issuer {
            Issuer::Own { .. } => self.as_bytes(),
            // An impossible range covers nothing, which matches no stored hash.
            Issuer::Other { hashed, .. } => self.as_bytes().get(hashed.clone()).unwrap_or_default(),
        }
    }

    /// A copy for a comparison on another thread. Not `Clone`, so that no other crate can copy a plaintext.
    pub(crate) fn duplicate(&self) -> Self {
        Self { text: Zeroizing::new(self.text.to_string()), issuer: self.issuer.clone() }
    }
}

/// The maximum number of attempts to generate a part before the generator counts as broken. A working one fails this often with a
/// probability below 2^-200 (0.74^512); a stuck one would loop forever.
const MAX_ATTEMPTS: usize = 512;

/// Appends the base64url text of N random bytes, generated again until it contains only letters and digits: all accepted texts are
/// equally likely, and a double click selects the whole token.
fn push_alphanumeric<const N: usize>(text: &mut String, rng: &mut SecretRng) -> Result<(), RngError> {
    let mut bytes = Zeroizing::new([0; N]);
    for _ in 0..MAX_ATTEMPTS {
        rng.fill(bytes.as_mut_slice())?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        if encoded.bytes().all(|b| b.is_ascii_alphanumeric()) {
            text.push_str(&encoded);
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
    fn the_format_of_generated_tokens_is_stable() {
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
    fn a_stuck_generator_is_an_error_and_not_an_endless_loop() {
        for byte in [0xff, 0xfb] {
            let result = PlainToken::generate(&prefix(), &mut SecretRng::stuck(byte));
            assert_eq!(result.err(), Some(RngError));
        }
    }

    #[test]
    fn every_truncated_token_is_rejected() {
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
    fn another_prefix_of_the_same_length_is_rejected() {
        let text = generated(3).replace("mcp_pat_", "mcp_pbt_");
        assert!(matches!(PlainToken::parse(&prefix(), text.as_bytes()), Err(ParseError::Prefix)));
    }

    #[test]
    fn the_check_depends_on_the_whole_token() {
        let token = PlainToken::parse(&prefix(), generated(4).as_bytes()).unwrap();
        let other = PlainToken::parse(&prefix(), generated(5).as_bytes()).unwrap();
        assert!(token.check_matches(&token.check()));
        assert!(!token.check_matches(&other.check()));
    }

    proptest! {
        #[test]
        fn a_change_of_any_single_character_is_detected(seed in 0..1000_u64, index in 0..69_usize, with in 0x20..0x7f_u8) {
            let text = generated(seed);
            let mut bytes = text.clone().into_bytes();
            bytes[index] = with;
            prop_assert_eq!(PlainToken::parse(&prefix(), &bytes).is_ok(), bytes == text.as_bytes());
        }

        #[test]
        fn an_inserted_missing_or_swapped_character_is_detected(
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
        fn parsing_never_panics_and_a_parsed_token_equals_its_input(
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
