//! The protected application: answers every request with 200, accepts every offer of h2c, and records all requests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

const REACHED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nreached";
const UPGRADED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Method, target and version.
    pub(crate) line: String,
    /// Names in lower case, in the order of arrival.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// All values of this header in any spelling that some program treats as equal.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let is_it = |known: &str| known.replace(|c: char| !c.is_ascii_alphanumeric(), "-") == name;
        self.headers.iter().filter(|(known, _)| is_it(known)).map(|(_, value)| value.as_str()).collect()
    }
}

/// A listening application, which ends with the test process.
pub(crate) struct Upstream {
    pub(crate) address: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        Self::answering(REACHED)
    }

    /// Gives every request this text, and every offer of h2c an upgrade.
    pub(crate) fn answering(text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let log = log.clone();
                std::thread::spawn(move || {
                    // Recorded before the answer, so that the request is visible once the answer arrives.
                    if let Some(request) = read(&stream) {
                        let is_upgrade = request.values("upgrade").iter().any(|value| value.contains("h2c"));
                        log.lock().expect("a whole log").push(request);
                        answer(stream, if is_upgrade { UPGRADED } else { text });
                    }
                });
            }
        });
        Self { address, received }
    }

    /// The requests received since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().expect("a whole log"))
    }
}

/// Reads one request; `None` if the connection has none. Trailers are among the headers.
pub(crate) fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let lines = read_lines(&mut reader)?;
    let (line, lines) = lines.split_first()?;
    let mut headers: Vec<_> = lines.iter().filter_map(|line| header(line)).collect();
    let value = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut body = Vec::new();
    if value("transfer-encoding") == Some("chunked") {
        read_chunks(&mut reader, &mut body)?;
        headers.extend(read_lines(&mut reader)?.iter().filter_map(|line| header(line)));
    } else {
        body = vec![0; value("content-length").map_or(0, |value| value.parse().expect("a length"))];
        reader.read_exact(&mut body).ok()?;
    }
    Some(Received { line: line.clone(), headers, body })
}

/// The lines before the next empty one.
fn read_lines(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => return Some(lines),
            text => lines.push(text.to_owned()),
        }
    }
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = u64::from_str_radix(size.trim_end(), 16).ok()?;
        if size == 0 {
            return Some(());
        }
        reader.take(size).read_to_end(body).ok()?;
        reader.read_line(&mut String::new()).ok()?;
    }
}

fn answer(mut stream: TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}
