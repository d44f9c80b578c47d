//! The digests that chain the audit log.

use sha2::{Digest as _, Sha256};

/// What the first entry follows.
pub const GENESIS: [u8; 32] = [0; 32];

/// The digest of an entry: SHA-256("tokenry audit v1" ‖ digest before it ‖ the entry's canonical bytes).
#[must_use]
pub fn link(previous: &[u8; 32], entry: &[u8]) -> [u8; 32] {
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
    fn an_entry_depends_on_all_before_it() {
        let first = link(&GENESIS, b"a");
        assert_ne!(link(&first, b"b"), link(&link(&GENESIS, b"c"), b"b"));
        assert_eq!(link(&first, b"b"), link(&link(&GENESIS, b"a"), b"b"));
    }
}
