//! Whether a token ever verifies after the response to its revocation.

use std::{cell::RefCell, rc::Rc};

use anyhow::{Context, Result, ensure};

use crate::{
    bench::Bench,
    client::{self, Pace, Stream},
    compare::CONNECTIONS,
    database::{Backend, Database},
    figure::{Figure, Outcome},
    population::Population,
    random::Random,
    traffic::{Packed, Requests, get_with, with},
};

/// Users who revoke, each their own tokens, at the same time.
const WRITERS: u64 = 8;
/// Revocations a second, all together.
const RATE: f64 = 1_000.0;
/// How far before and behind the last revocation tokens are verified.
const WINDOW: u64 = 64;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    // More than are revoked while that many are verified; the first of each user revokes the others.
    let count = WRITERS * (bench.sizes.verifications / 5 / WRITERS + 100);
    let tokens = Population { owners: WRITERS, ..Population::live("ended", count) };
    let database = bench.own(std::slice::from_ref(&tokens))?;
    let servers = match bench.backend() {
        Backend::Sqlite => vec![bench.server(&database)?],
        Backend::Postgres => vec![bench.server(&database)?, bench.server(&database)?],
    };
    let to: Vec<_> = servers.iter().map(|server| server.address).collect();
    let front = Rc::new(RefCell::new(Front::new(count - WRITERS)));
    let mut revocations = revocations(&tokens, &database, front.clone())?;
    let mut verifications = verifications(&tokens, front.clone());
    let streams = vec![
        Stream {
            // In the other order: a connection of both kinds to each server.
            to: to.iter().rev().copied().collect(),
            from: None,
            connections: usize::try_from(WRITERS)?,
            pace: Pace::PerSecond(RATE),
            requests: &mut revocations,
        },
        Stream {
            to,
            from: None,
            connections: CONNECTIONS,
            pace: Pace::Saturated,
            requests: &mut verifications,
        },
    ];
    let bar = bench.progress.counting("verifying while revoking", bench.sizes.verifications);
    let answers = client::run(streams, || {
        let verified = front.borrow().verified;
        bar.set_position(verified);
        verified < bench.sizes.verifications
    })?;
    let mut answers = answers.into_iter();
    let (revoked, verified) = answers.next().zip(answers.next()).context("two streams")?;
    let (revoked, verified) = (revoked.all_expected()?, verified.all_expected()?);
    let front = front.borrow();
    ensure!(front.after > 0 && front.before > 0, "nothing was verified before and after its revocation");
    let detail = format!(
        "{} verifications (servers: {}) while {} tokens were revoked; {} were sent after the revocation was answered, \
         and of those {} succeeded",
        verified.count,
        servers.len(),
        revoked.count,
        front.after,
        front.violations
    );
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mut figure = Figure::value(vec![front.violations as f64], "violations", detail);
    figure.others.insert("verifications_per_second", verified.per_second());
    Ok(Outcome::Measured(figure))
}

/// The progress of the revocations. One thread sends and receives everything, so this record is in order.
struct Front {
    states: Vec<State>,
    /// The next token to revoke.
    next: u64,
    verified: u64,
    /// Verifications that were sent before the revocation.
    before: u64,
    /// Verifications that were sent after the revocation was answered.
    after: u64,
    /// Those of them that succeeded.
    violations: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// The revocation was sent.
    Ending,
    /// It was answered.
    Revoked,
}

impl Front {
    fn new(count: u64) -> Self {
        let states = vec![State::Live; usize::try_from(count).unwrap_or_default()];
        Self { states, next: 0, verified: 0, before: 0, after: 0, violations: 0 }
    }

    fn len(&self) -> u64 {
        u64::try_from(self.states.len()).unwrap_or_default()
    }

    fn state(&self, token: u64) -> State {
        let place = usize::try_from(token).unwrap_or(usize::MAX);
        self.states.get(place).copied().unwrap_or(State::Live)
    }

    fn set(&mut self, token: u64, state: State) {
        let place = usize::try_from(token).unwrap_or(usize::MAX);
        if let Some(known) = self.states.get_mut(place) {
            *known = state;
        }
    }
}

struct Revocations {
    front: Rc<RefCell<Front>>,
    requests: Packed,
}

impl Requests for Revocations {
    fn next(&mut self) -> Option<u64> {
        let mut front = self.front.borrow_mut();
        let token = front.next;
        (token < front.len()).then(|| {
            front.next += 1;
            front.set(token, State::Ending);
            token
        })
    }

    fn bytes(&self, tag: u64) -> &[u8] {
        self.requests.get(tag)
    }

    fn answered(&mut self, tag: u64, status: u16, _body: &[u8]) -> bool {
        self.front.borrow_mut().set(tag, State::Revoked);
        status == 204
    }
}

struct Verifications {
    front: Rc<RefCell<Front>>,
    requests: Packed,
    random: Random,
}

/// Set in the tag of a verification that was sent after the revocation was answered.
const AFTER: u64 = 1 << 63;

impl Requests for Verifications {
    fn next(&mut self) -> Option<u64> {
        let front = self.front.borrow();
        let first = front.next.saturating_sub(WINDOW);
        let token = (first + self.random.below(2 * WINDOW)).min(front.len() - 1);
        let is_after = front.state(token) == State::Revoked;
        Some(if is_after { token | AFTER } else { token })
    }

    fn bytes(&self, tag: u64) -> &[u8] {
        self.requests.get(tag & !AFTER)
    }

    fn answered(&mut self, tag: u64, status: u16, _body: &[u8]) -> bool {
        let mut front = self.front.borrow_mut();
        front.verified += 1;
        let is_live = front.state(tag & !AFTER) == State::Live;
        if tag & AFTER != 0 {
            front.after += 1;
            front.violations += u64::from(status != 401);
            return status == 401 || status == 200;
        }
        front.before += u64::from(is_live);
        // Not revoked yet: a rejection would be wrong too.
        if is_live { status == 200 } else { status == 200 || status == 401 }
    }
}

fn revocations(tokens: &Population, database: &Database, front: Rc<RefCell<Front>>) -> Result<Revocations> {
    let count = front.borrow().len();
    let request = |place| {
        let (owner, number) = at(tokens, place);
        let path = format!("/api/v1/tokens/{}", tokens.id(number, database.now)?);
        Ok(with("DELETE", &path, &tokens.text(owner)))
    };
    let requests = (0..count).map(request).collect::<Result<Packed>>()?;
    Ok(Revocations { front, requests })
}

fn verifications(tokens: &Population, front: Rc<RefCell<Front>>) -> Verifications {
    let count = front.borrow().len();
    let request = |place| get_with("/api/v1/token", &tokens.text(at(tokens, place).1));
    Verifications { front, requests: (0..count).map(request).collect(), random: Random::new(0xe4d) }
}

/// The numbers of the token that revokes and of the one that is revoked in this place: users take turns, so that they
/// revoke side by side.
fn at(tokens: &Population, place: u64) -> (u64, u64) {
    let each = tokens.count / WRITERS;
    let first = (place % WRITERS) * each;
    (first, first + 1 + place / WRITERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_take_turns_and_none_revokes_the_token_they_use() {
        let tokens = Population { owners: WRITERS, ..Population::live("x", 80) };
        assert_eq!((at(&tokens, 0), at(&tokens, 1), at(&tokens, 8)), ((0, 1), (10, 11), (0, 2)));
        assert_eq!(at(&tokens, 71), (70, 79));
    }

    #[test]
    fn a_success_after_the_answer_is_a_violation_and_one_before_is_none() {
        let front = Rc::new(RefCell::new(Front::new(10)));
        let requests = || Packed::default();
        let mut verify = Verifications { front: front.clone(), requests: requests(), random: Random::new(1) };
        let mut revoke = Revocations { front: front.clone(), requests: requests() };
        let token = revoke.next().unwrap();
        assert!(verify.answered(token, 200, b""), "it was under way");
        assert!(revoke.answered(token, 204, b""));
        verify.answered(token, 200, b"");
        assert_eq!(front.borrow().violations, 0, "it was sent before the answer");
        verify.answered(token | AFTER, 401, b"");
        assert_eq!((front.borrow().after, front.borrow().violations), (1, 0));
        verify.answered(token | AFTER, 200, b"");
        assert_eq!(front.borrow().violations, 1);
        assert!(!verify.answered(5, 401, b""), "nobody revoked that one");
    }
}
