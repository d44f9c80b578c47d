//! The tokens of a round and what is known of each: whether its revocation was sent, and when it was answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a secret stops working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// An administrator revokes the token.
    Revoke,
    /// An administrator pauses the token.
    Pause,
    /// An administrator gives the token another secret, without a grace period.
    Rotate,
    /// Whoever has the secret revokes it, as of RFC 7009.
    RevokeByPossession,
}

/// Tokens of each round that are never revoked.
pub(crate) const CONTROLS: usize = 4;
/// How long an unanswered revocation rests before it is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// The latest answers, which are verified most often.
const NEWEST: usize = 3;

/// A token as its creation was answered.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) id: Arc<str>,
    pub(crate) secret: Arc<str>,
}

#[derive(Debug, Clone)]
enum State {
    Live,
    /// A revocation was sent, and no answer has arrived.
    Revoking,
    /// The last revocation failed at this time, so that nobody knows whether it took effect.
    Unknown(Instant),
    /// A revocation was answered.
    Revoked(Answered),
}

/// The answer to a revocation.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// When the client had read it.
    pub(crate) at: Instant,
    /// The node that gave it.
    pub(crate) through: usize,
    /// What took the right away.
    pub(crate) change: Change,
}

/// What a verification that is sent now must find.
#[derive(Debug, Clone)]
pub(crate) enum Expectation {
    Accepted,
    /// A revocation is in flight or its outcome is unknown.
    Any,
    Rejected(Answered),
}

/// A token to verify now.
#[derive(Debug, Clone)]
pub(crate) struct Pick {
    pub(crate) index: usize,
    pub(crate) token: Issued,
    pub(crate) expectation: Expectation,
}

/// Every token of a scenario. The round's are those from `first` on.
#[derive(Default)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tokens: Vec<(Issued, State)>,
    first: usize,
    /// Those with an answered revocation, in the order of the answers.
    revoked: Vec<usize>,
}

impl Ledger {
    /// Starts a round with new tokens.
    pub(crate) fn begin_round(&self, issued: Vec<Issued>) {
        let mut inner = self.locked();
        inner.first = inner.tokens.len();
        inner.revoked.clear();
        inner.tokens.extend(issued.into_iter().map(|token| (token, State::Live)));
    }

    /// A token to verify; mostly one of those that were revoked last.
    pub(crate) fn pick(&self, random: usize) -> Option<Pick> {
        let inner = self.locked();
        let (kind, random) = (random % 4, random / 4);
        let revoked = inner.revoked.len();
        let index = match kind {
            0 | 1 if revoked > 0 => {
                let newest = NEWEST.min(revoked);
                *inner.revoked.get(revoked - 1 - random % newest)?
            }
            2 if revoked > 0 => *inner.revoked.get(random % revoked)?,
            _ => {
                let count = inner.tokens.len() - inner.first;
                inner.first + random.checked_rem(count)?
            }
        };
        inner.pick(index)
    }

    /// One of the tokens of the round that are never revoked.
    pub(crate) fn control(&self) -> Option<Pick> {
        let inner = self.locked();
        inner.pick(inner.first)
    }

    /// Every token of the round with an answered revocation.
    pub(crate) fn revoked(&self) -> Vec<Pick> {
        let inner = self.locked();
        inner.revoked.iter().filter_map(|index| inner.pick(*index)).collect()
    }

    /// Every token of the round.
    pub(crate) fn round(&self) -> Vec<Pick> {
        let inner = self.locked();
        (inner.first..inner.tokens.len()).filter_map(|index| inner.pick(index)).collect()
    }

    /// Takes a token to revoke: one whose last revocation failed, else a live one.
    pub(crate) fn take(&self, now: Instant) -> Option<(usize, Issued)> {
        self.take_if(|state| match state {
            State::Unknown(since) => now.saturating_duration_since(*since) >= RETRY_PAUSE,
            _ => false,
        })
        .or_else(|| self.take_if(|state| matches!(state, State::Live)))
    }

    /// The same, only to learn the outcome of a failed revocation.
    pub(crate) fn take_unknown(&self) -> Option<(usize, Issued)> {
        self.take_if(|state| matches!(state, State::Unknown(_)))
    }

    /// Whether the outcome of a revocation is open.
    pub(crate) fn has_open(&self) -> bool {
        let inner = self.locked();
        let mut states = inner.tokens.iter().skip(inner.first).map(|(_, state)| state);
        states.any(|state| matches!(state, State::Revoking | State::Unknown(_)))
    }

    /// The revocation was answered.
    pub(crate) fn answered(&self, index: usize, answered: Answered) {
        let mut inner = self.locked();
        inner.revoked.push(index);
        inner.set(index, State::Revoked(answered));
    }

    /// The revocation failed.
    pub(crate) fn failed(&self, index: usize, at: Instant) {
        self.locked().set(index, State::Unknown(at));
    }

    /// Whether no revocation of the token was sent until now.
    pub(crate) fn is_live(&self, index: usize) -> bool {
        matches!(self.locked().tokens.get(index), Some((_, State::Live)))
    }

    fn take_if(&self, fits: impl Fn(&State) -> bool) -> Option<(usize, Issued)> {
        let mut inner = self.locked();
        let first = inner.first + CONTROLS;
        let mut tokens = inner.tokens.iter_mut().enumerate().skip(first);
        let (index, (token, state)) = tokens.find(|(_, (_, state))| fits(state))?;
        *state = State::Revoking;
        Some((index, token.clone()))
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn pick(&self, index: usize) -> Option<Pick> {
        let (token, state) = self.tokens.get(index)?;
        let expectation = match state {
            State::Live => Expectation::Accepted,
            State::Revoking | State::Unknown(_) => Expectation::Any,
            State::Revoked(answered) => Expectation::Rejected(answered.clone()),
        };
        Some(Pick { index, token: token.clone(), expectation })
    }

    fn set(&mut self, index: usize, state: State) {
        if let Some((_, known)) = self.tokens.get_mut(index) {
            *known = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(count: usize) -> Ledger {
        let issued = |index: usize| Issued { id: index.to_string().into(), secret: "x".into() };
        let ledger = Ledger::default();
        ledger.begin_round((0..count).map(issued).collect());
        ledger
    }

    fn answered() -> Answered {
        Answered { at: Instant::now(), through: 0, change: Change::Revoke }
    }

    #[test]
    fn only_an_answered_revocation_must_be_seen() {
        let ledger = ledger(CONTROLS + 1);
        let (index, _) = ledger.take(Instant::now()).unwrap();
        assert_eq!(index, CONTROLS, "the first ones are never revoked");
        let expectation = || ledger.round().remove(index).expectation;
        assert!(matches!(expectation(), Expectation::Any));
        assert!(ledger.take(Instant::now()).is_none() && !ledger.is_live(index));
        let failed = Instant::now();
        ledger.failed(index, failed);
        assert!(matches!(expectation(), Expectation::Any) && ledger.has_open());
        assert!(ledger.take(failed).is_none(), "a failed one rests");
        assert_eq!(ledger.take(failed + RETRY_PAUSE).unwrap().0, index);
        ledger.answered(index, answered());
        assert!(matches!(expectation(), Expectation::Rejected(_)) && !ledger.has_open());
        assert_eq!(ledger.revoked().len(), 1);
    }

    #[test]
    fn revoked_tokens_are_picked_most_often_and_live_ones_too() {
        let ledger = ledger(CONTROLS + 6);
        assert!(matches!(ledger.pick(0).unwrap().expectation, Expectation::Accepted));
        for _ in 0..5 {
            let (index, _) = ledger.take(Instant::now()).unwrap();
            ledger.answered(index, answered());
        }
        let picks: Vec<_> = (0..400).map(|random| ledger.pick(random).unwrap()).collect();
        let revoked =
            picks.iter().filter(|pick| matches!(pick.expectation, Expectation::Rejected(_))).count();
        assert!((300..400).contains(&revoked), "{revoked}");
        let newest = picks.iter().filter(|pick| pick.index == CONTROLS + 4).count();
        let oldest = picks.iter().filter(|pick| pick.index == CONTROLS).count();
        assert!(newest > oldest && oldest > 0, "{newest} {oldest}");
    }

    #[test]
    fn a_new_round_leaves_the_old_tokens() {
        let ledger = ledger(CONTROLS + 1);
        let (index, token) = ledger.take(Instant::now()).unwrap();
        ledger.answered(index, answered());
        ledger.begin_round(vec![token]);
        assert!(ledger.revoked().is_empty());
        assert_eq!(ledger.round().len(), 1);
        assert_eq!(ledger.control().unwrap().index, CONTROLS + 1);
        assert!(Ledger::default().pick(5).is_none());
    }
}
