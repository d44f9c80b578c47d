//! The digest that names a text to whoever has it.

use sha2::{Digest as _, Sha256};

/// SHA-256 of the text, in hexadecimal digits.
#[must_use]
pub fn fingerprint(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_sha256() {
        assert_eq!(fingerprint(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
