//! Raw requests exactly as a test writes them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// The status of an answer, 0 without one, and its full text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Sends a request line, headers and a body. A test that sends its own `Connection` header must close the connection.
pub(crate) fn send(address: &str, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let mut request = format!("{line} HTTP/1.1\r\nHost: app.example.org\r\n");
    let names = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if !names("connection") {
        request.push_str("Connection: close\r\n");
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    // A proxy may reject a request before it has read the body.
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, text }
}
