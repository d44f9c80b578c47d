//! The messages of a server of PostgreSQL in a stream of bytes: one byte of kind, four of length, the content.

/// The kind of a notification.
pub(super) const NOTIFICATION: u8 = b'A';

/// Cuts a stream at the ends of messages.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    incomplete: Vec<u8>,
}

impl Splitter {
    /// Adds bytes and returns the messages that are complete now.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.incomplete.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(length) = first_length(&self.incomplete) {
            let rest = self.incomplete.split_off(length);
            messages.push(std::mem::replace(&mut self.incomplete, rest));
        }
        messages
    }
}

/// The length of the first message, if it is complete.
fn first_length(bytes: &[u8]) -> Option<usize> {
    // The length counts itself, not the kind.
    let length: [u8; 4] = bytes.get(1..5)?.try_into().ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?.max(4) + 1;
    (bytes.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_whatever_the_parts() {
        let stream = b"A\0\0\0\x06xyZ\0\0\0\x05IS\0\0\0\x04";
        let mut splitter = Splitter::default();
        let found: Vec<_> = stream.iter().flat_map(|byte| splitter.feed(&[*byte])).collect();
        let expected: [&[u8]; 3] = [b"A\0\0\0\x06xy", b"Z\0\0\0\x05I", b"S\0\0\0\x04"];
        assert_eq!(found, expected);
        assert_eq!(Splitter::default().feed(stream), expected);
    }
}
