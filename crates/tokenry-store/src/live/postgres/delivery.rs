//! Delivers the results of a batch to the waiting tasks.
//!
//! Waking a thread costs more than reading a row, and a thread that is woken for a single result finishes with it and
//! sleeps again before the next one arrives. So each thread is woken once per batch: the first task that is woken delivers
//! the results of its neighbours, which wakes only tasks of the thread that is already running.

use std::{
    mem::take,
    sync::{Arc, Mutex},
    thread::ThreadId,
};

use futures_channel::oneshot;

use super::{ReadResult, locked};
use crate::{retired::RetiredCredentialRow, token::row::CredentialRow};

/// A result, and the results that its receiver delivers to its neighbours.
pub(super) struct Delivered<Row> {
    answer: ReadResult<Row>,
    others: Option<Arc<NeighbourReplies>>,
}

/// A result and its recipient.
pub(super) struct Reply {
    pub(super) thread: ThreadId,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Current(oneshot::Sender<Delivered<CredentialRow>>, ReadResult<CredentialRow>),
    Retired(oneshot::Sender<Delivered<RetiredCredentialRow>>, ReadResult<RetiredCredentialRow>),
}

/// Undelivered results for tasks of one thread.
#[derive(Default)]
struct NeighbourReplies(Mutex<Vec<Reply>>);

/// Delivers a batch.
pub(super) fn deliver(replies: Vec<Reply>) {
    let mut threads: Vec<(ThreadId, Vec<Reply>)> = Vec::new();
    for reply in replies {
        match threads.iter_mut().find(|(thread, _)| *thread == reply.thread) {
            Some((_, replies)) => replies.push(reply),
            None => threads.push((reply.thread, vec![reply])),
        }
    }
    let mut undelivered = Vec::with_capacity(threads.len());
    for (_, mut replies) in threads {
        let Some(first) = replies.pop() else { continue };
        let others = (!replies.is_empty()).then(|| Arc::new(NeighbourReplies(Mutex::new(replies))));
        undelivered.extend(others.clone());
        first.send(others);
    }
    // The task that was woken may be cancelled or busy for long, so this thread delivers what is left.
    std::thread::yield_now();
    undelivered.iter().for_each(|others| others.deliver());
}

impl<Row> Delivered<Row> {
    /// A result without neighbours.
    pub(super) fn single(answer: ReadResult<Row>) -> Self {
        Self { answer, others: None }
    }

    /// Delivers the results of the neighbours and returns its own.
    pub(super) fn open(self) -> ReadResult<Row> {
        if let Some(others) = self.others {
            others.deliver();
        }
        self.answer
    }
}

impl Reply {
    fn send(self, others: Option<Arc<NeighbourReplies>>) {
        // The caller may have gone away.
        match self.kind {
            Kind::Current(to, answer) => drop(to.send(Delivered { answer, others })),
            Kind::Retired(to, answer) => drop(to.send(Delivered { answer, others })),
        }
    }
}

impl NeighbourReplies {
    fn deliver(&self) {
        let replies = take(&mut *locked(&self.0));
        replies.into_iter().for_each(|reply| reply.send(None));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    type Receiver = oneshot::Receiver<Delivered<CredentialRow>>;

    fn replies(count: usize) -> (Vec<Reply>, Vec<Receiver>) {
        let reply = || {
            let (to, receiver) = oneshot::channel();
            (Reply { thread: thread::current().id(), kind: Kind::Current(to, Ok(None)) }, receiver)
        };
        std::iter::repeat_with(reply).take(count).unzip()
    }

    fn has_result(receiver: &mut Receiver) -> bool {
        matches!(receiver.try_recv(), Ok(Some(delivered)) if matches!(delivered.answer, Ok(None)))
    }

    #[test]
    fn the_first_task_of_a_thread_delivers_the_results_of_its_neighbours() {
        let (mut replies, mut receivers) = replies(3);
        let first = replies.pop().unwrap();
        first.send(Some(Arc::new(NeighbourReplies(Mutex::new(replies)))));
        let delivered = receivers.pop().unwrap().try_recv().unwrap().unwrap();
        assert!(receivers.iter_mut().all(|receiver| matches!(receiver.try_recv(), Ok(None))));
        assert!(matches!(delivered.open(), Ok(None)));
        assert!(receivers.iter_mut().all(has_result));
    }

    #[test]
    fn every_task_gets_its_result_even_if_a_neighbour_is_cancelled() {
        for cancelled in 0..4 {
            let (replies, receivers) = replies(4);
            // The task that is woken first may be the cancelled one, and none of the others opens its result.
            let mut receivers: Vec<_> =
                receivers.into_iter().enumerate().filter(|(n, _)| *n != cancelled).collect();
            deliver(replies);
            assert!(
                receivers.iter_mut().all(|(_, receiver)| has_result(receiver)),
                "{cancelled} was cancelled"
            );
        }
    }
}
