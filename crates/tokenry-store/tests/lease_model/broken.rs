//! Variants of the protocol that differ from it in one rule: the search finds a run in which each fails.

use crate::{
    check::assert_unsafe,
    model::{
        rules::{AnswerAfter, LeaseStart, MemoryDrop, Rules},
        scope::{Change, Scope},
    },
};

const PROTOCOL: Rules = Rules::PROTOCOL;
const TWICE: &[Change] = &[Change::Revoke, Change::Revoke];

#[test]
fn a_verification_that_checks_no_lease_is_unsafe() {
    assert_unsafe(Rules { verification_checks_lease: false, ..PROTOCOL }, Scope::ONE_NODE);
}

#[test]
fn a_lease_that_begins_when_its_result_is_received_is_unsafe() {
    assert_unsafe(Rules { lease_start: LeaseStart::Receipt, ..PROTOCOL }, Scope::ONE_NODE);
}

/// The row of the node does not acknowledge the events that the statement returned. So a writer may delete it while the
/// lease is valid, and the next writer does not wait for the node.
#[test]
fn a_lease_that_begins_when_its_statement_is_sent_is_unsafe_if_the_statement_returned_events() {
    assert_unsafe(Rules { lease_start: LeaseStart::Send, ..PROTOCOL }, Scope::ONE_NODE);
}

#[test]
fn a_change_that_waits_for_no_acknowledgement_is_unsafe() {
    assert_unsafe(Rules { answer_after: AnswerAfter::Commit, ..PROTOCOL }, Scope::ONE_NODE);
}

#[test]
fn a_change_that_waits_for_one_acknowledgement_is_unsafe() {
    assert_unsafe(Rules { answer_after: AnswerAfter::OneNode, ..PROTOCOL }, Scope::TWO_NODES);
}

#[test]
fn declaring_a_silent_node_gone_at_once_is_unsafe() {
    assert_unsafe(Rules { silent_node_is_waited_for: false, ..PROTOCOL }, Scope::ONE_NODE);
}

/// On the old primary, where no node is registered, nobody is waited for.
#[test]
fn answering_a_change_whose_commit_was_canceled_is_unsafe() {
    assert_unsafe(Rules { change_is_proven: false, ..PROTOCOL }, Scope::FAILOVER);
}

#[test]
fn a_lease_that_is_renewed_by_a_canceled_commit_is_unsafe() {
    assert_unsafe(Rules { canceled_statement_renews_nothing: false, ..PROTOCOL }, Scope::FAILOVER);
}

#[test]
fn keeping_a_row_that_was_read_before_its_invalidation_is_unsafe() {
    assert_unsafe(Rules { outdated_fill_is_discarded: false, ..PROTOCOL }, Scope::ONE_NODE);
}

#[test]
fn acknowledging_events_before_their_rows_are_dropped_is_unsafe() {
    assert_unsafe(Rules { drop_precedes_acknowledgement: false, ..PROTOCOL }, Scope::ONE_NODE);
}

/// A statement of a lost connection is executed after one of the new connection. The lower acknowledgement lets a writer
/// delete the row while the lease is valid.
#[test]
fn lowering_an_acknowledgement_is_unsafe() {
    assert_unsafe(Rules { acknowledgement_only_grows: false, ..PROTOCOL }, Scope::RESTARTS);
}

#[test]
fn registering_again_with_old_memory_is_unsafe() {
    assert_unsafe(Rules { memory_drop: MemoryDrop::Never, ..PROTOCOL }, Scope::ONE_NODE);
}

/// A verification that found the lease valid while it was, fills the memory again before the registration is complete.
#[test]
fn emptying_the_memory_only_before_the_registration_is_unsafe() {
    assert_unsafe(Rules { memory_drop: MemoryDrop::BeforeRegistration, ..PROTOCOL }, Scope::ONE_NODE);
}

#[test]
fn a_repeated_revocation_that_does_not_wait_is_unsafe() {
    let scope = Scope { changes: TWICE, ..Scope::ONE_NODE };
    assert_unsafe(Rules { repeated_revocation_waits: false, ..PROTOCOL }, scope);
}

/// It finds a revocation that only the isolated server has, and answers without a commit that would fail there.
#[test]
fn a_repeated_revocation_that_commits_nothing_is_unsafe() {
    let scope = Scope { changes: TWICE, ..Scope::FAILOVER };
    assert_unsafe(Rules { repeated_revocation_commits: false, ..PROTOCOL }, scope);
}

#[test]
fn reading_the_registered_nodes_before_the_commit_is_unsafe() {
    assert_unsafe(Rules { nodes_are_read_after_commit: false, ..PROTOCOL }, Scope::ONE_NODE);
}

#[test]
fn reading_rows_from_a_server_that_the_feed_has_left_is_unsafe() {
    assert_unsafe(Rules { reads_follow_feed: false, ..PROTOCOL }, Scope::FAILOVER);
}

/// The node has applied an event that only the isolated server has. The new primary has another event of that sequence,
/// which the node acknowledges without having seen it.
#[test]
fn continuing_with_the_row_on_another_server_is_unsafe() {
    assert_unsafe(Rules { new_server_needs_registration: false, ..PROTOCOL }, Scope::FAILOVER);
}
