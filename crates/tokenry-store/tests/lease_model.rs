//! A model of the lease protocol, and a search through all its states.
//!
//! The protocol lets a node decide from memory while it provably receives every change. `lease_model/rules.rs` has its
//! rules, each of which can be broken, and `lease_model/scope.rs` has the bounds of a run.
//!
//! The search shows, within these bounds, that no verification accepts a revoked token if it began after the
//! revocation was answered. It takes the steps of all processes in every order, and any process may stop for ever at any
//! step. So it covers every delay of a message, every pause and every crash.
//!
//! # Time
//!
//! The model has no clock. The protocol measures two periods: a lease ends L after its beginning by the clock of the
//! node, and a writer waits for 1.1 L after its commit by its own clock. If their clocks differ in rate by at most 10 %,
//! the second period covers the first: when a writer has waited, every lease that began before its commit has expired.
//! This is all that safety needs to know about time, so it is all that the model keeps:
//!
//! - A moment is the number of writers that committed before it.
//! - The step `Wait` of a writer ends all leases that began before its commit, also those that a node has yet to install.
//!   It may be taken at any time after the commit, since nothing else measures time.
//! - No lease ends otherwise. A lease that ends early only rejects more.
//!
//! # What is left out
//!
//! There is one token. Changes of other tokens matter only by their sequence numbers. A revoked row in memory is left out,
//! since it rejects like the database. Where two steps are merged into one, or a step happens as early as
//! possible, its documentation says why this covers the other cases. There is at most one failover, to a standby that
//! has everything that was committed; an asynchronous standby, which loses changes, is outside of the model.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "a failed test shows the run that it found")]

#[path = "lease_model/broken.rs"]
mod broken;
#[path = "lease_model/check.rs"]
mod check;
#[path = "lease_model/model.rs"]
mod model;

use check::assert_safe;
use model::{
    rules::Rules,
    scope::{Change, Scope},
};

const THREE_CHANGES: &[Change] = &[Change::Unrelated, Change::Revoke, Change::Revoke];

#[test]
fn one_node_never_accepts_a_revoked_token() {
    assert_safe(Rules::PROTOCOL, Scope { changes: THREE_CHANGES, ..Scope::ONE_NODE });
}

#[test]
fn concurrent_verifications_never_accept_a_revoked_token() {
    assert_safe(Rules::PROTOCOL, Scope { requests: 2, ..Scope::ONE_NODE });
}

#[test]
fn a_node_that_is_one_of_two_never_accepts_a_revoked_token() {
    assert_safe(Rules::PROTOCOL, Scope::TWO_NODES);
}

#[test]
fn a_paused_node_never_accepts_a_revoked_token() {
    assert_safe(Rules::PROTOCOL, Scope { pauses: true, ..Scope::ONE_NODE });
}

#[test]
fn no_revoked_token_is_accepted_after_a_failover() {
    assert_safe(Rules::PROTOCOL, Scope::FAILOVER);
    assert_safe(Rules::PROTOCOL, Scope { changes: &[Change::Revoke, Change::Revoke], ..Scope::FAILOVER });
}

#[test]
fn no_revoked_token_is_accepted_by_two_nodes_after_a_failover() {
    let changes = &[Change::Revoke];
    assert_safe(Rules::PROTOCOL, Scope { changes, failover: true, ..Scope::TWO_NODES });
}

#[test]
fn no_revoked_token_is_accepted_after_all_failures_together() {
    assert_safe(Rules::PROTOCOL, Scope::ALL_FAILURES);
}

/// Only commits that became visible without the standby make the registration necessary.
#[test]
fn continuing_with_the_row_on_another_server_is_safe_if_it_has_everything_that_was_visible() {
    let rules = Rules { new_server_needs_registration: false, ..Rules::PROTOCOL };
    assert_safe(rules, Scope { unreplicated_commits: false, ..Scope::FAILOVER });
}
