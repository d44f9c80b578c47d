//! Raw requests exactly as a test writes them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A complete response.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header that comes at most once, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} comes once");
        value
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request with these header lines and a body, and reads the response to its end.
pub(crate) fn send(to: SocketAddr, line: &str, headers: &[&[u8]], body: &str) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").into_bytes();
    if !body.is_empty() {
        let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        request.extend(length.as_bytes());
    }
    for header in headers {
        request.extend_from_slice(header);
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    request.extend(body.as_bytes());
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(&request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Asks for a path with these `Authorization` headers.
pub(crate) fn get(to: SocketAddr, path: &str, credentials: &[&[u8]]) -> Answer {
    let headers: Vec<_> = credentials.iter().map(|value| [b"Authorization: ", *value].concat()).collect();
    let headers: Vec<_> = headers.iter().map(Vec::as_slice).collect();
    send(to, &format!("GET {path}"), &headers, "")
}
