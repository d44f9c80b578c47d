//! The digests of the audit log's hash chain.

use sha2::{Digest as _, Sha256};

/// The digest before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// The digest of an entry: SHA-256("tokenry audit v1" ‖ previous digest ‖ canonical bytes of the entry).
#[must_use]
pub fn chain_digest(previous: &[u8; 32], entry: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"tokenry audit v1")
        .chain_update(previous)
        .chain_update(entry)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_an_entry_depends_on_all_previous_entries() {
        let first = chain_digest(&GENESIS, b"a");
        assert_ne!(chain_digest(&first, b"b"), chain_digest(&chain_digest(&GENESIS, b"c"), b"b"));
        assert_eq!(chain_digest(&first, b"b"), chain_digest(&chain_digest(&GENESIS, b"a"), b"b"));
    }
}
