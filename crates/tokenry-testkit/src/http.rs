//! Raw HTTP requests exactly as a test writes them, and their complete responses.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// A complete response.
#[derive(Debug, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    head: String,
    /// Everything after the head.
    pub body: String,
}

impl Response {
    /// The value of a header that comes at most once, or nothing.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} comes once");
        value
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request with these header lines and a body of JSON, and reads the response to its end.
#[track_caller]
pub fn send(to: impl ToSocketAddrs, line: &str, headers: &[&[u8]], body: &str) -> Response {
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
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) =
        text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no complete response: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_owned(), body: body.to_owned() }
}

/// Sends a GET of a path with these `Authorization` headers.
#[track_caller]
pub fn get(to: impl ToSocketAddrs, path: &str, credentials: &[&[u8]]) -> Response {
    let headers: Vec<_> = credentials.iter().map(|value| [b"Authorization: ", *value].concat()).collect();
    let headers: Vec<_> = headers.iter().map(Vec::as_slice).collect();
    send(to, &format!("GET {path}"), &headers, "")
}
