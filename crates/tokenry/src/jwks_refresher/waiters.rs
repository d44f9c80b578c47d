//! Who waits for a fetch.

use futures_channel::oneshot::{Sender, channel};
use tokenry_service::KeyArrival;

/// At most so many requests wait for the keys of one issuer. Anyone can present a token that names an unknown key, and each
/// that waits holds a connection.
const MAX_WAITERS: usize = 100;

/// Those who wait for the keys of one issuer.
#[derive(Default)]
pub(super) struct Waiters(Vec<Sender<()>>);

impl Waiters {
    /// One more, unless there are too many. Those whose clients went away do not count.
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
            // The end of the feed ends the wait as well.
            let _ = arrival.await;
        }))
    }

    /// Ends their wait.
    pub(super) fn wake(&mut self) {
        for waiter in self.0.drain(..) {
            // Some have gone.
            let _ = waiter.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wait_and_no_more_but_those_who_left_make_room() {
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
