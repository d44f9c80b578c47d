//! A fake PostgreSQL server that records the start-up message of each connection and rejects all of them. It reports
//! itself as a standby, so that a client that wants a primary tries the next host.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// A port of every local address, open until the process ends.
pub struct FakeServer {
    port: u16,
    received: Arc<Mutex<Vec<StartupMessage>>>,
}

/// The first message of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupMessage {
    /// The local address that the client connected to.
    pub to: SocketAddr,
    /// The parameters, such as `user` and `database`.
    pub parameters: BTreeMap<String, String>,
}

impl FakeServer {
    /// Opens a port. With `answer` it requests the password, and `answer` turns that into the rejection.
    #[must_use]
    pub fn open(answer: Option<fn(&str) -> String>) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Mutex<Vec<StartupMessage>>> = Arc::default();
        let seen = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client may disconnect at any moment.
                let _ = stream.and_then(|stream| receive(stream, answer, &seen));
            }
        });
        Self { port, received }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Removes and returns the messages since the last call.
    #[must_use]
    pub fn received(&self) -> Vec<StartupMessage> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

fn receive(
    mut stream: TcpStream,
    answer: Option<fn(&str) -> String>,
    seen: &Mutex<Vec<StartupMessage>>,
) -> std::io::Result<()> {
    let mut packet = body(&mut stream)?;
    // A request for encryption by TLS or GSSAPI.
    while packet.starts_with(&80_877_103_u32.to_be_bytes())
        || packet.starts_with(&80_877_104_u32.to_be_bytes())
    {
        stream.write_all(b"N")?;
        packet = body(&mut stream)?;
    }
    let mut texts = packet.get(4..).unwrap_or_default().split(|byte| *byte == 0);
    let mut parameters = BTreeMap::new();
    while let (Some(name @ [_, ..]), Some(value)) = (texts.next(), texts.next()) {
        parameters.insert(text(name), text(value));
    }
    seen.lock().unwrap().push(StartupMessage { to: stream.local_addr()?, parameters });
    if let Some(answer) = answer {
        send(&mut stream, b'R', &3_u32.to_be_bytes())?;
        stream.read_exact(&mut [0])?;
        let password = text(&body(&mut stream)?);
        let rejection = answer(password.trim_end_matches('\0'));
        return send(&mut stream, b'E', format!("SFATAL\0VFATAL\0C28P01\0M{rejection}\0\0").as_bytes());
    }
    send(&mut stream, b'R', &0_u32.to_be_bytes())?;
    for (name, value) in
        [("server_version", "15.0"), ("in_hot_standby", "on"), ("default_transaction_read_only", "off")]
    {
        send(&mut stream, b'S', format!("{name}\0{value}\0").as_bytes())?;
    }
    send(&mut stream, b'Z', b"I")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a message that is preceded by its length.
fn body(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body =
        vec![0; usize::try_from(u32::from_be_bytes(length).saturating_sub(4)).unwrap().min(10_000)];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn send(stream: &mut TcpStream, kind: u8, body: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    stream.write_all(&[&[kind], &length[..], body].concat())
}
