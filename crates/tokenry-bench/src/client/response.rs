//! The parts of an HTTP response that the client needs.

use anyhow::{Context, Result, bail};

/// The status and the length of a response.
pub(super) struct Response {
    pub(super) status: u16,
    /// The length of the head in bytes.
    pub(super) head: usize,
    /// The length of the body in bytes.
    pub(super) body: usize,
}

impl Response {
    /// Parses the head; `None` while it is incomplete.
    ///
    /// # Errors
    /// When the head does not state the length of the body.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = bytes.get(..end).unwrap_or_default();
        let status = head.get(9..12).and_then(number).context("a response without a status")?;
        let mut body = None;
        for line in head.split(|byte| *byte == b'\n') {
            // Most lines are rejected by their first character.
            if line.first().is_some_and(|first| matches!(first, b'c' | b'C'))
                && let Some((name, value)) = line.split_at_checked(15)
                && name.eq_ignore_ascii_case(b"content-length:")
            {
                body = number(value.trim_ascii());
            }
        }
        let body = match (status, body) {
            (204 | 304, _) => 0,
            (_, Some(body)) => body,
            _ => bail!("a response without a length, status {status}"),
        };
        let status = u16::try_from(status).context("an invalid status")?;
        Ok(Some(Self { status, head: end + 4, body }))
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_the_length_that_its_head_states() {
        let text = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\ncache-control: no-store\r\n\r\nhello";
        let response = Response::parse(text).unwrap().unwrap();
        assert_eq!((response.status, response.body, &text[response.head..]), (401, 12, &b"hello"[..]));
        assert!(Response::parse(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n").unwrap().is_none());
        assert_eq!(Response::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body, 0);
        assert!(Response::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
