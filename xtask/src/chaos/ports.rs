//! Ports of 127.0.0.1 that are kept while nobody listens on them.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Below the ports that systems give to outgoing connections, so that a server finds its port free when it returns.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port on which nobody listens, and which is returned only once.
pub(crate) fn free() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two programs that run at the same time start at different ports.
    let start = u16::try_from(std::process::id().wrapping_mul(61) % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return Ok(FIRST + offset);
        }
    }
    bail!("no port from {FIRST} to {} is free", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use super::free;

    #[test]
    fn a_port_is_returned_once() {
        let mut ports: Vec<_> = (0..50).map(|_| free().unwrap()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
    }
}
