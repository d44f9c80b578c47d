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

impl Answer {
    /// All values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.text.split("\r\n\r\n").next().unwrap_or_default().lines();
        let headers = lines.filter_map(|line| line.split_once(':'));
        headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let body = self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Sends a request line, which may name its version, headers and a body. A test that sends its own `Connection` header must close the connection.
pub(crate) fn send(address: &str, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let version = if line.contains(" HTTP/") { "" } else { " HTTP/1.1" };
    let mut request = format!("{line}{version}\r\nHost: app.example.org\r\n");
    let names = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if !names("connection") {
        request.push_str("Connection: close\r\n");
    }
    if !body.is_empty() && !names("transfer-encoding") {
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
