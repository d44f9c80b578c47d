//! An address that moves from one server to another, like a virtual IP address.

use std::{
    io::copy,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

/// Forwards a port of 127.0.0.1 to another port. Open connections keep their target when it moves.
pub struct FloatingAddress {
    port: u16,
    target: Arc<AtomicU16>,
}

impl FloatingAddress {
    /// Opens a port that forwards to `port`.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address =
            Self { port: listener.local_addr().unwrap().port(), target: Arc::new(AtomicU16::new(target)) };
        let target = address.target.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Without a listener at the target, the connection is closed.
                let Ok(far) = TcpStream::connect(("127.0.0.1", target.load(Ordering::SeqCst))) else {
                    continue;
                };
                let directions = [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)];
                for (mut from, mut to) in directions {
                    std::thread::spawn(move || {
                        let _ = copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        address
    }

    /// Forwards new connections to `port`.
    pub fn redirect_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }

    /// The port that clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}
