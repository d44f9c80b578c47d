//! Requests that wait for a fetch.

use futures_channel::oneshot::{Sender, channel};
use tokenry_service::KeyArrival;

/// The maximum number of requests that wait for the keys of one issuer. Anyone can present a token that names an
/// unknown key, and each waiting request holds a connection.
const MAX_WAITERS: usize = 100;

/// The requests that wait for the keys of one issuer.
#[derive(Default)]
pub(super) struct Waiters(Vec<Sender<()>>);

impl Waiters {
    /// Adds a waiter, unless there are too many. Waiters whose clients disconnected do not count.
    pub(super) fn join(&mut self) -> Option<KeyArrival> {
        if self.0.len() >= MAX_WAITERS {
            self.0.retain(|waiter| !waiter.is_canceled());
        }
        if self.0.len() >= MAX_WAITERS {
            return None;
        }
        let (waiter, arrival) = channel();
        self.0.push(waiter);
        Some(Box::pin(async move {
            // The end of the refresher also ends the wait.
            let _ = arrival.await;
        }))
    }

    /// Wakes all waiters.
    pub(super) fn wake(&mut self) {
        for waiter in self.0.drain(..) {
            // Some waiters may have disconnected.
            let _ = waiter.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_are_bounded_and_disconnected_ones_make_room() {
        let mut waiters = Waiters::default();
        let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| waiters.join().unwrap()).collect();
        assert!(waiters.join().is_none());
        waiting.truncate(MAX_WAITERS - 1);
        waiting.push(waiters.join().unwrap());
        assert!(waiters.join().is_none());
        waiters.wake();
        assert!(waiters.join().is_some());
        waiting.into_iter().for_each(futures_executor::block_on);
    }
}
