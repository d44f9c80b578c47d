//! What clients saw during one scenario.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client::Response;
use super::ledger::{Answered, Expectation};
use super::timestamp;

/// Of each kind of surprise, this many are printed in each phase of a round.
const PRINTED: u32 = 4;

/// The observations of one scenario, collected by all threads.
pub(crate) struct Observations {
    scenario: &'static str,
    names: Vec<String>,
    inner: Mutex<Inner>,
}

struct Inner {
    round: u32,
    phase: String,
    /// How many surprises of each kind were printed in this phase.
    printed: BTreeMap<&'static str, u32>,
    figures: Figures,
    nodes: Vec<Availability>,
    /// Whether acceptances of revoked tokens are counted apart, because the database has lost answered changes.
    is_loss_allowed: bool,
}

/// The sums of one scenario.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) rounds: u32,
    /// Answered revocations.
    pub(crate) revoked: u64,
    /// The times from the request of a revocation to its answer, of those whose time counts.
    pub(crate) revocation_times: Vec<Duration>,
    pub(crate) unknown: u64,
    /// Acceptances of tokens whose revocation was answered before the request was sent.
    pub(crate) late: u64,
    /// The same within the time in which a loss of the database may show.
    pub(crate) allowed_late: u64,
    pub(crate) verifications: u64,
    pub(crate) unavailable: u64,
    /// Verifications without a response.
    pub(crate) unanswered: u64,
    /// Rejections of live tokens.
    pub(crate) wrong_rejections: u64,
    /// Responses with any other status.
    pub(crate) others: BTreeMap<u16, u64>,
    /// The longest time in which a node that should work verified nothing, and the node.
    pub(crate) longest_unavailability: (Duration, String),
    /// What else went wrong, each a failure of the scenario.
    pub(crate) failures: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Availability {
    /// The first request of those that failed since the last success.
    since: Option<Instant>,
    /// Whether it is broken on purpose.
    is_excused: bool,
}

impl Observations {
    pub(crate) fn new(scenario: &'static str, names: Vec<String>) -> Self {
        let nodes = vec![Availability::default(); names.len()];
        let inner = Inner {
            round: 0,
            phase: String::new(),
            printed: BTreeMap::new(),
            figures: Figures::default(),
            nodes,
            is_loss_allowed: false,
        };
        Self { scenario, names, inner: Mutex::new(inner) }
    }

    pub(crate) fn begin_round(&self, round: u32) {
        self.locked().round = round;
    }

    pub(crate) fn end_round(&self) {
        self.locked().figures.rounds += 1;
    }

    /// Names what happens now, for the report of a late acceptance.
    pub(crate) fn set_phase(&self, phase: &str) {
        println!("{} {}: round {}: {phase}", timestamp::now(), self.scenario, self.locked().round);
        let mut inner = self.locked();
        phase.clone_into(&mut inner.phase);
        inner.printed.clear();
    }

    /// Says that a node is broken on purpose, or no longer.
    pub(crate) fn set_excused(&self, node: usize, is_excused: bool) {
        if let Some(node) = self.locked().nodes.get_mut(node) {
            *node = Availability { since: None, is_excused };
        }
    }

    /// Says whether the database may have lost answered changes just now.
    pub(crate) fn set_loss_allowed(&self, is_allowed: bool) {
        self.locked().is_loss_allowed = is_allowed;
    }

    /// Adds the response to a verification. `is_still_live` tells whether no revocation was sent until the response.
    pub(crate) fn verified(
        &self,
        node: usize,
        expectation: &Expectation,
        response: &Response,
        is_still_live: bool,
    ) {
        let mut inner = self.locked();
        inner.figures.verifications += 1;
        if response.status == 503 {
            inner.figures.unavailable += 1;
            inner.note_unavailable(node, response.sent);
            return;
        }
        inner.note_available(self.name(node), node, response.received);
        match expectation {
            Expectation::Rejected(answered) if response.is_success() => {
                inner.note_late(self, node, answered, response);
            }
            Expectation::Accepted if response.status == 401 && is_still_live => {
                inner.figures.wrong_rejections += 1;
                inner.print(self, node, "WRONG REJECTION of a live token", &response.text());
            }
            _ if response.is_success() || response.status == 401 => {}
            _ => inner.note_other(self, node, "unexpected response to a verification", response),
        }
    }

    /// Adds a verification without a response.
    pub(crate) fn unanswered(&self, node: usize, sent: Instant) {
        let mut inner = self.locked();
        inner.figures.verifications += 1;
        inner.figures.unanswered += 1;
        inner.note_unavailable(node, sent);
    }

    /// Adds an answered revocation.
    pub(crate) fn revoked(&self, response: &Response, is_timed: bool) {
        let figures = &mut self.locked().figures;
        figures.revoked += 1;
        if is_timed {
            figures.revocation_times.push(response.received.saturating_duration_since(response.sent));
        }
    }

    /// Adds a revocation without a good answer, and the response if it is not the expected one of a failure.
    pub(crate) fn unknown(&self, node: usize, unexpected: Option<&Response>) {
        let mut inner = self.locked();
        inner.figures.unknown += 1;
        if let Some(response) = unexpected {
            inner.note_other(self, node, "unexpected response to a revocation", response);
        }
    }

    /// Adds a failure, which fails the scenario.
    pub(crate) fn fail(&self, text: String) {
        println!("{} {}: FAILURE: {text}", timestamp::now(), self.scenario);
        self.locked().figures.failures.push(text);
    }

    /// The sums until now.
    pub(crate) fn figures(&self) -> Figures {
        self.locked().figures.clone()
    }

    fn name(&self, node: usize) -> &str {
        self.names.get(node).map_or("?", String::as_str)
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note_unavailable(&mut self, node: usize, sent: Instant) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.since = Some(node.since.map_or(sent, |since| since.min(sent)));
        }
    }

    fn note_available(&mut self, name: &str, node: usize, received: Instant) {
        let Some(node) = self.nodes.get_mut(node) else { return };
        if let Some(since) = node.since.take()
            && !node.is_excused
        {
            let time = received.saturating_duration_since(since);
            if time > self.figures.longest_unavailability.0 {
                self.figures.longest_unavailability = (time, name.to_owned());
            }
        }
    }

    fn note_late(&mut self, all: &Observations, node: usize, answered: &Answered, response: &Response) {
        let after = |instant: Instant| instant.saturating_duration_since(answered.at).as_secs_f64() * 1e3;
        let through = all.name(answered.through);
        let text = format!(
            "sent {:.1} ms and accepted {:.1} ms after {through} answered the {:?}",
            after(response.sent),
            after(response.received),
            answered.change
        );
        if self.is_loss_allowed {
            self.figures.allowed_late += 1;
            self.print(all, node, "acceptance after a loss", &text);
        } else {
            self.figures.late += 1;
            self.print(all, node, "LATE ACCEPTANCE", &text);
        }
    }

    fn note_other(&mut self, all: &Observations, node: usize, kind: &'static str, response: &Response) {
        *self.figures.others.entry(response.status).or_default() += 1;
        self.print(all, node, kind, &format!("{} {}", response.status, response.text()));
    }

    fn print(&mut self, all: &Observations, node: usize, kind: &'static str, text: &str) {
        let printed = self.printed.entry(kind).or_default();
        *printed += 1;
        if *printed > PRINTED {
            return;
        }
        let more = if *printed == PRINTED { " (more are only counted)" } else { "" };
        let node = all.name(node);
        let (scenario, round, phase) = (all.scenario, self.round, &self.phase);
        println!("{} {scenario}: round {round} ({phase}): {node}: {kind}: {text}{more}", timestamp::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::ledger::Change;

    fn response(status: u16, sent: Instant) -> Response {
        Response::example(status, sent, sent + Duration::from_millis(2))
    }

    fn observations() -> Observations {
        Observations::new("test", vec!["n1".to_owned(), "n2".to_owned()])
    }

    #[test]
    fn an_acceptance_is_late_only_after_an_answered_revocation() {
        let (observations, now) = (observations(), Instant::now());
        let rejected = Expectation::Rejected(Answered { at: now, through: 1, change: Change::Revoke });
        for (expectation, status) in [
            (&Expectation::Accepted, 200),
            (&Expectation::Any, 200),
            (&Expectation::Any, 401),
            (&rejected, 401),
        ] {
            observations.verified(0, expectation, &response(status, now), true);
        }
        assert_eq!(observations.figures().late, 0);
        observations.verified(0, &rejected, &response(204, now), false);
        observations.set_loss_allowed(true);
        observations.verified(0, &rejected, &response(200, now), false);
        let figures = observations.figures();
        assert_eq!((figures.late, figures.allowed_late, figures.verifications), (1, 1, 6));
    }

    #[test]
    fn a_rejection_is_wrong_unless_a_revocation_was_sent_meanwhile() {
        let (observations, now) = (observations(), Instant::now());
        observations.verified(0, &Expectation::Accepted, &response(401, now), false);
        assert_eq!(observations.figures().wrong_rejections, 0);
        observations.verified(0, &Expectation::Accepted, &response(401, now), true);
        observations.verified(0, &Expectation::Accepted, &response(500, now), true);
        let figures = observations.figures();
        assert_eq!((figures.wrong_rejections, figures.others.get(&500)), (1, Some(&1)));
    }

    #[test]
    fn unavailability_lasts_from_the_first_failure_to_the_next_success() {
        let (observations, now) = (observations(), Instant::now());
        let at = |millis| now + Duration::from_millis(millis);
        observations.verified(0, &Expectation::Accepted, &response(503, at(10)), true);
        observations.unanswered(0, at(20));
        observations.verified(1, &Expectation::Accepted, &response(200, at(90)), true);
        observations.verified(0, &Expectation::Accepted, &response(200, at(108)), true);
        let longest = (Duration::from_millis(100), "n1".to_owned());
        assert_eq!(observations.figures().longest_unavailability, longest);
        observations.set_excused(0, true);
        observations.verified(0, &Expectation::Accepted, &response(503, at(200)), true);
        observations.verified(0, &Expectation::Accepted, &response(200, at(900)), true);
        let figures = observations.figures();
        assert_eq!(figures.longest_unavailability, longest);
        assert_eq!((figures.unavailable, figures.unanswered), (2, 1));
    }
}
