//! An address that is moved from one server to another, as a service's or a virtual one is.

use std::{
    io::copy,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

/// A port of 127.0.0.1 that leads to another one. Who is connected when it is moved stays where they are.
pub struct FloatingAddress {
    port: u16,
    target: Arc<AtomicU16>,
}

impl FloatingAddress {
    /// A new one, which leads to this port.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address =
            Self { port: listener.local_addr().unwrap().port(), target: Arc::new(AtomicU16::new(target)) };
        let target = address.target.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Nobody may be there: then whoever came is sent away.
                let Ok(far) = TcpStream::connect(("127.0.0.1", target.load(Ordering::SeqCst))) else {
                    continue;
                };
                let ways = [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)];
                for (mut from, mut to) in ways {
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

    /// Leads to this port from now on.
    pub fn lead_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}
