//! A client of HTTP/1.1 with one connection, which it keeps open.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Connecting on loopback takes microseconds, unless the listener is frozen and its queue is full.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A client of one server.
pub(crate) struct Client {
    server: SocketAddr,
    limit: Duration,
    connection: Option<TcpStream>,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    body: Vec<u8>,
    /// Before the first byte of the request was sent.
    pub(crate) sent: Instant,
    /// After the last byte of the response was read.
    pub(crate) received: Instant,
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A response without a body, for tests of what is made of it.
    #[cfg(test)]
    pub(crate) fn example(status: u16, sent: Instant, received: Instant) -> Self {
        Self { status, body: Vec::new(), sent, received }
    }
}

impl Client {
    /// A client that waits for each part of a response for at most `limit`.
    pub(crate) fn new(server: SocketAddr, limit: Duration) -> Self {
        Self { server, limit, connection: None }
    }

    /// Sends a request, with a bearer token if there is one and with a body of JSON if it is not empty.
    ///
    /// # Errors
    /// Without a complete response; whether the server acted on the request is then unknown.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Result<Response> {
        let authorization =
            token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        self.send_with(method, path, &authorization, "application/json", body)
    }

    /// Posts a form.
    ///
    /// # Errors
    /// As of [`Client::send`].
    pub(crate) fn send_form(&mut self, path: &str, form: &str) -> Result<Response> {
        self.send_with("POST", path, "", "application/x-www-form-urlencoded", form)
    }

    fn send_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        content_type: &str,
        body: &str,
    ) -> Result<Response> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}", self.server);
        if !body.is_empty() {
            request += &format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body;
        // The server may have closed an idle connection; it has then not read the request.
        if let Some(connection) = self.connection.take()
            && let Some(response) = self.exchange(connection, request.as_bytes())?
        {
            return Ok(response);
        }
        let connection = TcpStream::connect_timeout(&self.server, CONNECT_LIMIT);
        let connection = connection.with_context(|| format!("cannot connect to {}", self.server))?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(self.limit))?;
        connection.set_write_timeout(Some(self.limit))?;
        self.exchange(connection, request.as_bytes())?.context("the server closed a new connection")
    }

    /// `None` if the connection was closed before the first byte of a response.
    fn exchange(&mut self, mut connection: TcpStream, request: &[u8]) -> Result<Option<Response>> {
        let sent = Instant::now();
        if connection.write_all(request).is_err() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        loop {
            let is_end = read_some(&mut connection, &mut bytes).context("no complete response")?;
            if is_end && bytes.is_empty() {
                return Ok(None);
            }
            if let Some(head) = Head::parse(&bytes)? {
                let is_complete = match head.body_length {
                    Some(length) => bytes.len() >= head.length + length,
                    None => is_end,
                };
                if is_complete {
                    if !is_end && head.keeps_open {
                        self.connection = Some(connection);
                    }
                    let body = bytes.split_off(head.length);
                    return Ok(Some(Response { status: head.status, body, sent, received: Instant::now() }));
                }
            }
            if is_end {
                bail!("the server closed the connection within a response");
            }
        }
    }
}

/// `true` at the end of the stream.
fn read_some(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; 8192];
    loop {
        match connection.read(&mut buffer) {
            Ok(count) => {
                bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
                return Ok(count == 0);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The part of a response before its body.
#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    length: usize,
    /// `None`: until the connection ends.
    body_length: Option<usize>,
    keeps_open: bool,
}

impl Head {
    /// `None` while it is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status: u16 = status.with_context(|| format!("no status: {text:?}"))?;
        let header = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        if header("Transfer-Encoding").is_some() {
            bail!("a response in chunks is not understood");
        }
        let given = header("Content-Length").map(|length| length.parse()).transpose()?;
        let body_length = if matches!(status, 204 | 304) { Some(0) } else { given };
        let keeps_open = text.starts_with("HTTP/1.1")
            && header("Connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
        Ok(Some(Self { status, length: end + 4, body_length, keeps_open }))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that answers the connections in order, each with one text for each request, and closes them.
    fn server(connections: Vec<Vec<&'static str>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answers in connections {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in answers {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        assert!(!read_some(&mut stream, &mut request).unwrap());
                    }
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        address
    }

    #[test]
    fn a_connection_is_kept_and_replaced_when_it_was_closed() {
        let kept = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let mut client = Client::new(server(vec![vec![kept, kept], vec![kept]]), Duration::from_secs(20));
        for _ in 0..3 {
            let response = client.send("GET", "/", Some("x"), "").unwrap();
            assert_eq!((response.status, response.text().as_str()), (200, "hi"));
            assert!(response.received >= response.sent);
        }
    }

    #[test]
    fn a_body_without_a_length_ends_with_the_connection() {
        let mut client =
            Client::new(server(vec![vec!["HTTP/1.0 503 No\r\n\r\nnot yet"]]), Duration::from_secs(20));
        let response = client.send("GET", "/", None, "").unwrap();
        assert_eq!((response.status, response.text().as_str()), (503, "not yet"));
        assert!(!response.is_success());
    }

    #[test]
    fn half_a_response_is_an_error() {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi";
        let mut client = Client::new(server(vec![vec![half]]), Duration::from_secs(20));
        assert!(client.send("GET", "/", None, "").is_err());
    }
}
