//! A server in Tokenry's place that gives no usable verdict.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

/// Answers that are no verdict. The first is none at all.
pub(crate) const NO_VERDICTS: [&str; 13] = [
    "",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\nnull",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"valid\":true}",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"valid\":\"true\",\"user\":{\"id\":\"1\",\"subject\":\"a\",\"role\":\"a\"},\"token\":{\"id\":\"1\"},\"scopes\":[\"*\"]}",
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>hello</h1>",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n\r\n{\"code\":\"invalid_token\",\"valid\":true}",
    "HTTP/1.1 403 Forbidden\r\n\r\n",
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\n\r\n",
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\n\r\n",
];

/// A listener that gives every connection the same answer and then waits for the client to close it.
pub(crate) struct Upstream {
    pub(crate) address: String,
    answer: Arc<Mutex<&'static str>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answer = Arc::new(Mutex::new(""));
        let shared = answer.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, answer) = (stream.unwrap(), *shared.lock().unwrap());
                std::thread::spawn(move || {
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(answer.as_bytes());
                    // Half an answer stays half: only a complete one is ended.
                    if answer.contains("\r\n\r\n") {
                        let _ = stream.shutdown(std::net::Shutdown::Write);
                    }
                    let _ = stream.read_to_end(&mut Vec::new());
                });
            }
        });
        Self { address, answer }
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, answer: &'static str) {
        *self.answer.lock().unwrap() = answer;
    }
}
