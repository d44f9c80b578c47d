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

/// Users who revoke their own tokens concurrently.
const WRITERS: u64 = 8;
/// Revocations per second by all users together.
const RATE: f64 = 1_000.0;
/// Verified tokens are at most this far from the latest revocation.
const WINDOW: u64 = 64;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    // More tokens than are revoked during the run; the first token of each user revokes the others.
    let count = WRITERS * (bench.sizes.verifications / 5 / WRITERS + 100);
    let tokens = Population { owners: WRITERS, ..Population::live("ended", count) };
    let database = bench.own(std::slice::from_ref(&tokens))?;
    let servers = match bench.backend() {
        Backend::Sqlite => vec![bench.server(&database)?],
        Backend::Postgres => vec![bench.server(&database)?, bench.server(&database)?],
    };
    let to: Vec<_> = servers.iter().map(|server| server.address).collect();
    let log = Rc::new(RefCell::new(RevocationLog::new(count - WRITERS)));
    let mut revocations = revocations(&tokens, &database, log.clone())?;
    let mut verifications = verifications(&tokens, log.clone());
    let streams = vec![
        Stream {
            // In reverse order, so that each server has connections of both kinds.
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
        let verified = log.borrow().verified;
        bar.set_position(verified);
        verified < bench.sizes.verifications
    })?;
    let mut answers = answers.into_iter();
    let (revoked, verified) = answers.next().zip(answers.next()).context("two streams")?;
    let (revoked, verified) = (revoked.all_expected()?, verified.all_expected()?);
    let log = log.borrow();
    ensure!(log.after > 0 && log.before > 0, "no token was verified both before and after its revocation");
    let detail = format!(
        "{} verifications (servers: {}) while {} tokens were revoked; {} were sent after the response to the \
         revocation, and of those {} succeeded",
        verified.count,
        servers.len(),
        revoked.count,
        log.after,
        log.violations
    );
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mut figure = Figure::value(vec![log.violations as f64], "violations", detail);
    figure.others.insert("verifications_per_second", verified.per_second());
    Ok(Outcome::Measured(figure))
}

/// The state of every token. One thread sends and receives everything, so the order is exact.
struct RevocationLog {
    states: Vec<State>,
    /// The next token to revoke.
    next: u64,
    verified: u64,
    /// Verifications that were sent before the revocation.
    before: u64,
    /// Verifications that were sent after the response to the revocation.
    after: u64,
    /// Those of them that succeeded.
    violations: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// The revocation was sent.
    Revoking,
    /// The response to the revocation arrived.
    Revoked,
}

impl RevocationLog {
    fn new(count: u64) -> Self {
        let states = vec![State::Live; usize::try_from(count).unwrap_or_default()];
        Self { states, next: 0, verified: 0, before: 0, after: 0, violations: 0 }
    }

    fn len(&self) -> u64 {
        u64::try_from(self.states.len()).unwrap_or_default()
    }

    fn state(&self, token: u64) -> State {
        let index = usize::try_from(token).unwrap_or(usize::MAX);
        self.states.get(index).copied().unwrap_or(State::Live)
    }

    fn set(&mut self, token: u64, state: State) {
        let index = usize::try_from(token).unwrap_or(usize::MAX);
        if let Some(known) = self.states.get_mut(index) {
            *known = state;
        }
    }
}

struct Revocations {
    log: Rc<RefCell<RevocationLog>>,
    requests: Packed,
}

impl Requests for Revocations {
    fn next(&mut self) -> Option<u64> {
        let mut log = self.log.borrow_mut();
        let token = log.next;
        (token < log.len()).then(|| {
            log.next += 1;
            log.set(token, State::Revoking);
            token
        })
    }

    fn bytes(&self, tag: u64) -> &[u8] {
        self.requests.get(tag)
    }

    fn on_response(&mut self, tag: u64, status: u16, _body: &[u8]) -> bool {
        self.log.borrow_mut().set(tag, State::Revoked);
        status == 204
    }
}

struct Verifications {
    log: Rc<RefCell<RevocationLog>>,
    requests: Packed,
    random: Random,
}

/// Set in the tag of a verification that was sent after the response to the revocation.
const AFTER: u64 = 1 << 63;

impl Requests for Verifications {
    fn next(&mut self) -> Option<u64> {
        let log = self.log.borrow();
        let first = log.next.saturating_sub(WINDOW);
        let token = (first + self.random.below(2 * WINDOW)).min(log.len() - 1);
        let is_after = log.state(token) == State::Revoked;
        Some(if is_after { token | AFTER } else { token })
    }

    fn bytes(&self, tag: u64) -> &[u8] {
        self.requests.get(tag & !AFTER)
    }

    fn on_response(&mut self, tag: u64, status: u16, _body: &[u8]) -> bool {
        let mut log = self.log.borrow_mut();
        log.verified += 1;
        let is_live = log.state(tag & !AFTER) == State::Live;
        if tag & AFTER != 0 {
            log.after += 1;
            log.violations += u64::from(status != 401);
            return status == 401 || status == 200;
        }
        log.before += u64::from(is_live);
        // Not revoked yet: a rejection would be wrong too.
        if is_live { status == 200 } else { status == 200 || status == 401 }
    }
}

fn revocations(
    tokens: &Population,
    database: &Database,
    log: Rc<RefCell<RevocationLog>>,
) -> Result<Revocations> {
    let count = log.borrow().len();
    let request = |index| {
        let (owner, number) = revocation(tokens, index);
        let path = format!("/api/v1/tokens/{}", tokens.id(number, database.now)?);
        Ok(with("DELETE", &path, &tokens.text(owner)))
    };
    let requests = (0..count).map(request).collect::<Result<Packed>>()?;
    Ok(Revocations { log, requests })
}

fn verifications(tokens: &Population, log: Rc<RefCell<RevocationLog>>) -> Verifications {
    let count = log.borrow().len();
    let request = |index| get_with("/api/v1/token", &tokens.text(revocation(tokens, index).1));
    Verifications { log, requests: (0..count).map(request).collect(), random: Random::new(0xe4d) }
}

/// The numbers of the token that authenticates the revocation with this index and of the token that it revokes. Users
/// alternate, so that they revoke concurrently.
fn revocation(tokens: &Population, index: u64) -> (u64, u64) {
    let each = tokens.count / WRITERS;
    let first = (index % WRITERS) * each;
    (first, first + 1 + index / WRITERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_alternate_and_none_revokes_the_token_that_they_use() {
        let tokens = Population { owners: WRITERS, ..Population::live("x", 80) };
        assert_eq!(
            (revocation(&tokens, 0), revocation(&tokens, 1), revocation(&tokens, 8)),
            ((0, 1), (10, 11), (0, 2))
        );
        assert_eq!(revocation(&tokens, 71), (70, 79));
    }

    #[test]
    fn a_success_is_a_violation_only_after_the_response() {
        let log = Rc::new(RefCell::new(RevocationLog::new(10)));
        let requests = || Packed::default();
        let mut verify = Verifications { log: log.clone(), requests: requests(), random: Random::new(1) };
        let mut revoke = Revocations { log: log.clone(), requests: requests() };
        let token = revoke.next().unwrap();
        assert!(verify.on_response(token, 200, b""), "the revocation was in flight");
        assert!(revoke.on_response(token, 204, b""));
        verify.on_response(token, 200, b"");
        assert_eq!(log.borrow().violations, 0, "the verification was sent before the response");
        verify.on_response(token | AFTER, 401, b"");
        assert_eq!((log.borrow().after, log.borrow().violations), (1, 0));
        verify.on_response(token | AFTER, 200, b"");
        assert_eq!(log.borrow().violations, 1);
        assert!(!verify.on_response(5, 401, b""), "the token was not revoked");
    }
}
