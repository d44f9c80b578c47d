//! A connection to a server that can stop transmitting.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A relay on its own port. While silent it accepts data, forwards nothing and closes nothing, like a network that drops
/// packets.
pub struct Relay {
    port: u16,
    is_silent: Arc<AtomicBool>,
}

impl Relay {
    /// Starts a relay to the server of a database address. Returns it with the address of the database through the relay.
    ///
    /// # Panics
    /// When the address has no host and port.
    #[must_use]
    pub fn to_database(url: &str) -> (Self, String) {
        let (before, rest) = url.split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let relay = Self::to(server.to_socket_addrs().unwrap().next().unwrap());
        let url = format!("{before}@127.0.0.1:{}/{name}", relay.port);
        (relay, url)
    }

    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { port: listener.local_addr().unwrap().port(), is_silent: Arc::default() };
        let is_silent = relay.is_silent.clone();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(server).unwrap());
                let directions = [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)];
                for (from, to) in directions {
                    let is_silent = is_silent.clone();
                    std::thread::spawn(move || pass(from, to, &is_silent));
                }
            }
        });
        relay
    }

    /// Stops or resumes forwarding.
    pub fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_silent: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let passed = bytes.get(..count).unwrap_or_default();
        if !is_silent.load(Ordering::SeqCst) && to.write_all(passed).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
