//! Searches one stream of bytes in constant memory, however long its lines are.

use std::io::{self, Read};

use encoding_rs_io::DecodeReaderBytesBuilder;
use memchr::memchr_iter;

use super::finder::{Finder, Found, MAX_TOKEN};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;
/// A stream with a NUL byte among so many is binary, as git decides it.
const SNIFFED: usize = 8000;

/// What a search found out about a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Searched {
    /// The number of bytes of its text, in UTF-8.
    Text(u64),
    Binary,
}

/// Calls `on_found` with the line of each token, from 1, its bytes, and what may be shown of it. A stream that begins with
/// the byte order mark of UTF-16 is decoded.
pub(super) fn search(
    stream: impl Read,
    buffer: &mut Vec<u8>,
    finder: &Finder,
    mut on_found: impl FnMut(u64, &[u8], String),
) -> io::Result<Searched> {
    let mut stream = DecodeReaderBytesBuilder::new().utf8_passthru(true).build(stream);
    buffer.resize(CHUNK + MAX_TOKEN, 0);
    let (mut filled, mut line, mut bytes) = (0, 1, 0);
    loop {
        let read = fill(&mut stream, buffer.get_mut(filled..).unwrap_or_default())?;
        let text = buffer.get(..filled + read).unwrap_or_default();
        if bytes == 0 && text.iter().take(SNIFFED).any(|byte| *byte == 0) {
            return Ok(Searched::Binary);
        }
        bytes += u64::try_from(read).unwrap_or_default();
        let is_last = text.len() < buffer.len();
        // A token that begins later may continue in the next chunk.
        let until = if is_last { text.len() } else { text.len() - MAX_TOKEN };
        let (mut from, mut counted) = (0, 0);
        while let Some(Found { range, shown }) = finder.find(text, from, until) {
            line += line_feeds(text, counted, range.start);
            counted = range.start;
            from = range.end;
            on_found(line, text.get(range).unwrap_or_default(), shown);
        }
        if is_last {
            return Ok(Searched::Text(bytes));
        }
        let kept = from.max(until);
        line += line_feeds(text, counted, kept);
        filled = text.len() - kept;
        buffer.copy_within(kept.., 0);
    }
}

fn line_feeds(text: &[u8], from: usize, to: usize) -> u64 {
    let count = memchr_iter(b'\n', text.get(from..to).unwrap_or_default()).count();
    u64::try_from(count).unwrap_or_default()
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use tokenry_service::{PlainToken, Prefix, Prefixes, SecretRng};

    use super::*;

    fn token() -> String {
        PlainToken::generate(&Prefix::default(), &mut SecretRng::os()).unwrap().reveal_once().to_string()
    }

    fn lines(stream: impl Read) -> (Searched, Vec<(u64, String)>) {
        let finder = Finder::new(Prefixes::default(), Vec::new()).unwrap();
        let mut found = Vec::new();
        let searched = search(stream, &mut Vec::new(), &finder, |line, token, _| {
            found.push((line, String::from_utf8(token.to_vec()).unwrap()));
        });
        (searched.unwrap(), found)
    }

    /// A stream that gives few bytes at once.
    struct Slow<'t>(&'t [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            self.0.read(&mut buffer[..count])
        }
    }

    #[test]
    fn a_token_at_the_border_of_two_chunks_is_found_once_with_its_line() {
        let token = token();
        for start in [0, CHUNK - 70, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + MAX_TOKEN - 30, 2 * CHUNK - 3] {
            let before = "x\n".repeat(start / 2) + &"y".repeat(start % 2);
            let after = "z\n".repeat(CHUNK / 3);
            let text = format!("{before}{token}\n{token}\n{after}{token}");
            let first = u64::try_from(start / 2).unwrap() + 1;
            let last = first + 2 + u64::try_from(CHUNK / 3).unwrap();
            let expected: Vec<_> = [first, first + 1, last].map(|line| (line, token.clone())).into();
            for stream in [Slow(text.as_bytes(), 7919), Slow(text.as_bytes(), usize::MAX)] {
                assert_eq!(lines(stream), (Searched::Text(text.len() as u64), expected.clone()), "{start}");
            }
        }
    }

    #[test]
    fn a_line_of_many_chunks_is_one_line() {
        let token = token();
        let text = format!("\n{}{token}{}{token}", "x".repeat(3 * CHUNK), "x".repeat(CHUNK));
        assert_eq!(lines(text.as_bytes()).1, [(2, token.clone()), (2, token)]);
    }

    #[test]
    fn utf_16_is_decoded_and_other_bytes_with_nul_are_binary() {
        let token = token();
        let text = format!("\u{feff}é\nTOKEN={token}\r\n");
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [&little[..], &big, text.as_bytes()] {
            assert_eq!(lines(bytes).1, [(2, token.clone())]);
        }
        let latin = [b"\xe9\xff\n", token.as_bytes()].concat();
        assert_eq!(lines(&*latin).1, [(2, token.clone())], "invalid UTF-8 is text");
        let binary = [b"\x7fELF\0\n", token.as_bytes()].concat();
        assert_eq!(lines(&*binary), (Searched::Binary, Vec::new()));
        let late = [&[b'x'; SNIFFED][..], b"\0\n", token.as_bytes()].concat();
        assert_eq!(lines(&*late).1, [(2, token)], "a NUL byte later on is part of a text");
        assert_eq!(lines(&b""[..]), (Searched::Text(0), Vec::new()));
    }
}
