use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    thread::sleep,
};

use futures_executor::block_on;
use tokenry_crypto::{PlainToken, Prefix, SecretRng};
use tokenry_domain::{SecretHash, UnixMillis};

use super::*;

fn key() -> Proof {
    let token = PlainToken::generate(&Prefix::default(), &mut SecretRng::os()).unwrap();
    Proof::new(&token, &SecretHash::from_stored("$".to_owned()))
}

fn id(number: u8) -> TokenId {
    TokenId::new(UnixMillis::new(0).unwrap(), [number; 10])
}

/// A queue whose only thread is busy until the sender is dropped.
fn blocked() -> (HashQueue, Sender<()>) {
    blocked_at(key())
}

/// The same, busy with a known key that has no waiters.
fn blocked_at(key: Proof) -> (HashQueue, Sender<()>) {
    let queue = HashQueue::with_threads(&Workers::default(), 1).unwrap();
    let (release, released) = channel::<()>();
    let (begin, begun) = channel();
    let hold = queue.shared.enqueue(
        key,
        id(0),
        Box::new(move || {
            begin.send(()).unwrap();
            let _ = released.recv();
            Match::Yes
        }),
    );
    begun.recv().unwrap();
    drop(hold);
    (queue, release)
}

/// Waits until `tick` ticks have passed.
fn until(queue: &HashQueue, tick: u64) {
    let pause = |_: &_| sleep(Duration::from_millis(1));
    assert!((0..20_000).inspect(pause).any(|_| queue.shared.locked().tick >= tick), "the ticks stopped");
}

#[test]
fn one_hash_answers_all_its_waiters() {
    let (queue, release) = blocked();
    let (key, done) = (key(), Arc::new(AtomicUsize::new(0)));
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..32)
            .map(|_| {
                let done = done.clone();
                let queue = &queue;
                scope.spawn(move || {
                    block_on(queue.run(key, id(1), move || {
                        done.fetch_add(1, Ordering::Relaxed);
                        Match::Yes
                    }))
                })
            })
            .collect();
        while queue.shared.locked().jobs.get(&key).is_none_or(|job| job.waiters.len() < 32) {
            sleep(Duration::from_millis(1));
        }
        drop(release);
        assert!(waiters.into_iter().all(|waiter| matches!(waiter.join().unwrap(), Ok(Match::Yes))));
    });
    assert_eq!(done.load(Ordering::Relaxed), 1);
    let state = queue.shared.locked();
    assert!(state.jobs.is_empty() && state.waiters == 0);
}

#[test]
fn more_requests_than_threads_wait_without_a_rejection() {
    let (queue, release) = blocked();
    let answers: Vec<_> = (0..=999_u16)
        .map(|n| {
            queue.shared.enqueue(key(), id(u8::try_from(n / 4 + 1).unwrap()), Box::new(|| Match::No)).unwrap()
        })
        .collect();
    drop(release);
    assert!(answers.into_iter().all(|answer| block_on(answer) == Ok(Match::No)));
}

#[test]
fn a_request_that_waits_too_long_is_rejected_while_every_thread_is_busy() {
    let (queue, _release) = blocked();
    let outcome = block_on(queue.run(key(), id(1), || Match::Yes));
    assert!(outcome.is_err());
    let state = queue.shared.locked();
    assert!(state.tick >= MAX_WAIT_TICKS && state.waiters == 0 && state.order.is_empty());
}

#[test]
fn a_running_hash_keeps_its_waiters_and_answers_later_ones() {
    let key = key();
    let (queue, release) = blocked_at(key);
    let join = || queue.shared.enqueue(key, id(0), Box::new(|| panic!("the hash is running"))).unwrap();
    let early = join();
    until(&queue, MAX_WAIT_TICKS + 1);
    drop(join());
    until(&queue, MAX_WAIT_TICKS + 3);
    assert_eq!(queue.shared.locked().waiters, 1);
    let late = join();
    drop(release);
    assert!(block_on(early) == Ok(Match::Yes) && block_on(late) == Ok(Match::Yes));
    let state = queue.shared.locked();
    assert!(state.jobs.is_empty() && state.order.is_empty() && state.waiters == 0);
}

#[test]
fn a_running_hash_is_not_restarted_when_all_waiters_are_cancelled() {
    let key = key();
    let (queue, release) = blocked_at(key);
    until(&queue, 1);
    let late = queue.shared.enqueue(key, id(0), Box::new(|| panic!("the hash is running"))).unwrap();
    assert!(queue.shared.locked().order.is_empty());
    drop(release);
    assert!(block_on(late) == Ok(Match::Yes));
}

#[test]
fn a_job_without_waiters_is_not_run() {
    let (queue, release) = blocked();
    let done = Arc::new(AtomicUsize::new(0));
    let count = || {
        let done = done.clone();
        Box::new(move || {
            done.fetch_add(1, Ordering::Relaxed);
            Match::Yes
        })
    };
    drop(queue.shared.enqueue(key(), id(1), count()).unwrap());
    let stays = queue.shared.enqueue(key(), id(2), count()).unwrap();
    drop(release);
    assert!(block_on(stays) == Ok(Match::Yes));
    assert_eq!(done.load(Ordering::Relaxed), 1);
}

#[test]
fn guesses_at_one_token_do_not_block_another_token() {
    let (queue, release) = blocked();
    let guess = |token| queue.shared.enqueue(key(), id(token), Box::new(|| Match::No));
    let waiting: Vec<_> = (0..MAX_SECRETS).map(|_| guess(1).unwrap()).collect();
    assert!(guess(1).is_err());
    let other = guess(2).unwrap();
    drop(release);
    assert!(block_on(other) == Ok(Match::No) && waiting.into_iter().all(|guess| block_on(guess).is_ok()));
    assert!(block_on(queue.run(key(), id(1), || Match::Yes)).is_ok());
}

#[test]
fn the_number_of_waiters_is_bounded() {
    let (queue, release) = blocked();
    let key = key();
    let join = || queue.shared.enqueue(key, id(1), Box::new(|| Match::Yes));
    let waiting: Vec<_> = std::iter::from_fn(|| join().ok()).take(MAX_WAITERS + 1).collect();
    assert!(waiting.len() <= MAX_WAITERS && join().is_err());
    drop(release);
    assert!(waiting.into_iter().all(|answer| block_on(answer) == Ok(Match::Yes)));
    assert!(block_on(queue.run(key, id(1), || Match::Yes)).is_ok());
}

#[test]
fn the_queue_keeps_working_after_a_hash_panics() {
    let queue = HashQueue::with_threads(&Workers::default(), 1).unwrap();
    assert!(block_on(queue.run(key(), id(1), || panic!("a broken hash"))).is_err());
    assert!(matches!(block_on(queue.run(key(), id(1), || Match::Yes)), Ok(Match::Yes)));
}
