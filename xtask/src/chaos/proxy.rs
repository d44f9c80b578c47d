//! A TCP proxy that can freeze, delay and cut connections, and hold back or drop notifications of PostgreSQL.

mod messages;
mod pump;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::ports;

/// Between two attempts to listen again.
const BIND_PAUSE: Duration = Duration::from_millis(50);

/// What a proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Pass,
    /// Passes nothing on and closes nothing, like a network that loses packets. What arrives is passed on later.
    Freeze,
    /// Passes everything on later by this much, in order.
    Delay(Duration),
    /// Closes every connection, loses what a frozen network held, and does not listen.
    Cut,
    /// Passes everything on but notifications, which it keeps until the mode changes. Only for clients of PostgreSQL.
    HoldNotifications,
    /// Passes everything on but notifications, which are lost. Only for clients of PostgreSQL.
    DropNotifications,
}

/// A listening proxy. It runs until the end of the program; dropping it cuts its connections.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

/// What the threads of a proxy share.
struct State {
    target: SocketAddr,
    /// Whether the server speaks PostgreSQL's protocol without TLS, so that its messages can be told apart.
    has_messages: bool,
    mode: Mutex<Mode>,
    changed: Condvar,
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
    is_over: AtomicBool,
}

impl Proxy {
    /// Starts a proxy to a port of 127.0.0.1. Its target may start to listen later.
    pub(crate) fn to(port: u16) -> Result<Self> {
        Self::start(port, false)
    }

    /// The same for clients of PostgreSQL that connect with `sslmode=disable`.
    pub(crate) fn to_postgres(port: u16) -> Result<Self> {
        Self::start(port, true)
    }

    fn start(target: u16, has_messages: bool) -> Result<Self> {
        let port = ports::free()?;
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let state = Arc::new(State {
            target: SocketAddr::from(([127, 0, 0, 1], target)),
            has_messages,
            mode: Mutex::new(Mode::Pass),
            changed: Condvar::new(),
            open: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let proxy = Self { port, state: state.clone() };
        thread::spawn(move || run(listener, port, &state));
        Ok(proxy)
    }

    /// The port that clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens to bytes from now on, of open connections too.
    pub(crate) fn set(&self, mode: Mode) {
        *locked(&self.state.mode) = mode;
        self.state.changed.notify_all();
        if mode == Mode::Cut {
            // Wakes the thread that accepts, so that it stops listening.
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            self.state.close_all();
        }
    }

    /// Closes every open connection; new ones are accepted.
    pub(crate) fn disconnect(&self) {
        self.state.close_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.set(Mode::Cut);
    }
}

impl State {
    fn mode(&self) -> Mode {
        *locked(&self.mode)
    }

    /// Waits while the proxy is frozen, and returns the mode that follows.
    fn thawed(&self) -> Mode {
        let mode = self.changed.wait_while(locked(&self.mode), |mode| *mode == Mode::Freeze);
        *mode.unwrap_or_else(PoisonError::into_inner)
    }

    fn close_all(&self) {
        for (near, far) in locked(&self.open).drain(..) {
            let _ = near.shutdown(Shutdown::Both);
            let _ = far.shutdown(Shutdown::Both);
        }
    }
}

/// Listens until the end, except while the proxy is cut.
fn run(mut listener: TcpListener, port: u16, state: &Arc<State>) {
    while !state.is_over.load(Ordering::SeqCst) {
        accept(listener, state);
        listener = loop {
            let is_cut = |mode: &mut Mode| *mode == Mode::Cut && !state.is_over.load(Ordering::SeqCst);
            // With a limit, because the end comes without a change of the mode.
            let _ = state.changed.wait_timeout_while(locked(&state.mode), BIND_PAUSE, is_cut);
            if state.is_over.load(Ordering::SeqCst) {
                return;
            }
            if state.mode() != Mode::Cut
                && let Ok(listener) = TcpListener::bind(("127.0.0.1", port))
            {
                break listener;
            }
        };
    }
}

/// Accepts connections until the proxy is cut.
fn accept(listener: TcpListener, state: &Arc<State>) {
    for near in listener.incoming().flatten() {
        if state.mode() == Mode::Cut {
            return;
        }
        // Without a listener at the target, the connection is closed.
        let Ok(far) = TcpStream::connect(state.target) else { continue };
        // A connection that fails at once is not worth more than the others.
        let _ = open(near, far, state);
        // It may have been cut before the connection was on the list.
        if state.mode() == Mode::Cut {
            return state.close_all();
        }
    }
}

fn open(near: TcpStream, far: TcpStream, state: &Arc<State>) -> Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let mut list = locked(&state.open);
    list.retain(|(near, _)| near.peer_addr().is_ok());
    list.push((near.try_clone()?, far.try_clone()?));
    drop(list);
    let (from, to, shared) = (near.try_clone()?, far.try_clone()?, state.clone());
    thread::spawn(move || pump::to_server(from, to, &shared));
    let shared = state.clone();
    thread::spawn(move || pump::to_client(far, near, &shared));
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::chaos::wait;

    /// A client and a server, connected through a proxy.
    fn connected() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::to_postgres(listener.local_addr().unwrap().port()).unwrap();
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let (server, _) = listener.accept().unwrap();
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        }
        (proxy, client, server)
    }

    fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    const NOTIFICATION: &[u8] = b"A\0\0\0\x09abcde";
    const OTHER: &[u8] = b"Z\0\0\0\x05I";

    #[test]
    fn what_arrives_while_frozen_is_passed_on_later() {
        let (proxy, mut client, mut server) = connected();
        client.write_all(b"one").unwrap();
        assert_eq!(read(&mut server, 3), b"one");
        proxy.set(Mode::Freeze);
        client.write_all(b"two").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(server.read(&mut [0]).is_err(), "frozen");
        server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        proxy.set(Mode::Pass);
        assert_eq!(read(&mut server, 3), b"two");
    }

    #[test]
    fn a_cut_closes_open_connections() {
        let (proxy, mut client, mut server) = connected();
        proxy.set(Mode::Cut);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        let connects = || TcpStream::connect(("127.0.0.1", proxy.port())).is_ok();
        wait::until("connections are refused", Duration::from_secs(20), || {
            if connects() { anyhow::bail!("accepted") } else { Ok(()) }
        })
        .unwrap();
        proxy.set(Mode::Pass);
        wait::until("connections are accepted", Duration::from_secs(20), || {
            if connects() { Ok(()) } else { anyhow::bail!("refused") }
        })
        .unwrap();
    }

    #[test]
    fn what_arrived_while_frozen_is_lost_in_a_cut() {
        let (proxy, mut client, mut server) = connected();
        proxy.set(Mode::Freeze);
        server.write_all(b"lost").unwrap();
        proxy.set(Mode::Cut);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn notifications_alone_are_held_and_dropped() {
        let (proxy, mut client, mut server) = connected();
        proxy.set(Mode::HoldNotifications);
        server.write_all(&[NOTIFICATION, OTHER].concat()).unwrap();
        assert_eq!(read(&mut client, OTHER.len()), OTHER);
        proxy.set(Mode::Pass);
        assert_eq!(read(&mut client, NOTIFICATION.len()), NOTIFICATION);
        proxy.set(Mode::DropNotifications);
        server.write_all(&[NOTIFICATION, OTHER].concat()).unwrap();
        assert_eq!(read(&mut client, OTHER.len()), OTHER);
        proxy.set(Mode::Pass);
        server.write_all(OTHER).unwrap();
        assert_eq!(read(&mut client, OTHER.len()), OTHER);
    }
}
