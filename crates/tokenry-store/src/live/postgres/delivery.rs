//! How the answers of a batch get to those who wait.
//!
//! To wake a thread costs more than to read a row, and one that is woken for a single answer has dealt with it and
//! sleeps again before the next is there. So each thread is woken once: whoever is told first there hands the answers of
//! its neighbours on, which wakes nobody but tasks of the running thread.

use std::{
    mem::take,
    sync::{Arc, Mutex},
    thread::ThreadId,
};

use futures_channel::oneshot;

use super::{Answer, locked};
use crate::{retired::RetiredCredentialRow, token::row::CredentialRow};

/// An answer, and those that the one who gets it hands on.
pub(super) struct Delivered<Row> {
    answer: Answer<Row>,
    others: Option<Arc<Others>>,
}

/// An answer on its way.
pub(super) struct Reply {
    pub(super) thread: ThreadId,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Current(oneshot::Sender<Delivered<CredentialRow>>, Answer<CredentialRow>),
    Retired(oneshot::Sender<Delivered<RetiredCredentialRow>>, Answer<RetiredCredentialRow>),
}

/// Answers for tasks of one thread.
#[derive(Default)]
struct Others(Mutex<Vec<Reply>>);

/// Delivers a batch.
pub(super) fn deliver(replies: Vec<Reply>) {
    let mut threads: Vec<(ThreadId, Vec<Reply>)> = Vec::new();
    for reply in replies {
        match threads.iter_mut().find(|(thread, _)| *thread == reply.thread) {
            Some((_, replies)) => replies.push(reply),
            None => threads.push((reply.thread, vec![reply])),
        }
    }
    let mut left = Vec::with_capacity(threads.len());
    for (_, mut replies) in threads {
        let Some(first) = replies.pop() else { continue };
        let others = (!replies.is_empty()).then(|| Arc::new(Others(Mutex::new(replies))));
        left.extend(others.clone());
        first.send(others);
    }
    // A task that was told may be cancelled, or be busy with something else for long: nobody depends on it.
    std::thread::yield_now();
    left.iter().for_each(|others| others.hand_out());
}

impl<Row> Delivered<Row> {
    pub(super) fn alone(answer: Answer<Row>) -> Self {
        Self { answer, others: None }
    }

    /// The answer; the others are handed on.
    pub(super) fn open(self) -> Answer<Row> {
        if let Some(others) = self.others {
            others.hand_out();
        }
        self.answer
    }
}

impl Reply {
    fn send(self, others: Option<Arc<Others>>) {
        // Whoever asked may have gone away.
        match self.kind {
            Kind::Current(to, answer) => drop(to.send(Delivered { answer, others })),
            Kind::Retired(to, answer) => drop(to.send(Delivered { answer, others })),
        }
    }
}

impl Others {
    fn hand_out(&self) {
        let replies = take(&mut *locked(&self.0));
        replies.into_iter().for_each(|reply| reply.send(None));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    type Asked = oneshot::Receiver<Delivered<CredentialRow>>;

    fn replies(count: usize) -> (Vec<Reply>, Vec<Asked>) {
        let reply = || {
            let (to, asked) = oneshot::channel();
            (Reply { thread: thread::current().id(), kind: Kind::Current(to, Ok(None)) }, asked)
        };
        std::iter::repeat_with(reply).take(count).unzip()
    }

    fn is_answered(asked: &mut Asked) -> bool {
        matches!(asked.try_recv(), Ok(Some(delivered)) if matches!(delivered.answer, Ok(None)))
    }

    #[test]
    fn one_who_is_told_hands_the_answers_of_the_thread_on() {
        let (mut replies, mut asked) = replies(3);
        let first = replies.pop().unwrap();
        first.send(Some(Arc::new(Others(Mutex::new(replies)))));
        let told = asked.pop().unwrap().try_recv().unwrap().unwrap();
        assert!(asked.iter_mut().all(|asked| matches!(asked.try_recv(), Ok(None))));
        assert!(matches!(told.open(), Ok(None)));
        assert!(asked.iter_mut().all(is_answered));
    }

    #[test]
    fn everybody_is_answered_whatever_becomes_of_the_others() {
        for gone in 0..4 {
            let (replies, asked) = replies(4);
            // The one that was told first may be among those that went away, and of the rest nobody looks.
            let mut asked: Vec<_> = asked.into_iter().enumerate().filter(|(n, _)| *n != gone).collect();
            deliver(replies);
            assert!(asked.iter_mut().all(|(_, asked)| is_answered(asked)), "{gone} went away");
        }
    }
}
