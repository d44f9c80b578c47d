//! The checks of every installation.

use std::time::Duration;

use tokenry_domain::{PublicId, UnixMillis};
use tokenry_store::{
    Store, StoreError,
    history::{JournalState, LossReport},
    nodes::NodeState,
    supervisor::{Importance, WorkerState},
};

use super::finding::Finding;

/// How long a restart is reported as a warning.
const RECENT: Duration = Duration::from_secs(600);
/// A public id that is too short for any token.
const UNKNOWN: &str = "readiness";

pub(super) fn reading(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    store.check_reading().map(|()| Finding::ok())
}

pub(super) fn writing(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    store.check_writing().map(|()| Finding::ok())
}

/// Runs what a verification does that finds no row in memory, on the connection that verifications use.
pub(super) fn verification(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    let public_id = PublicId::from_stored(UNKNOWN.to_owned());
    futures_executor::block_on(async {
        store.moment().await?;
        store.credential(&public_id).await
    })?;
    Ok(Finding::ok())
}

/// Looks for nodes that stopped without leaving: the next change waits for them.
pub(super) fn nodes(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    let Some(found) = store.nodes()? else { return Ok(Finding::ok()) };
    let silent = found.nodes.iter().filter(|node| found.state(node) == NodeState::Silent).count();
    Ok(match silent {
        0 => Finding::ok(),
        _ => Finding::warning(format!(
            "{silent} of {} nodes did not renew their lease; the next change waits for them and removes them",
            found.nodes.len()
        )),
    })
}

/// Whether the database has lost answered changes, which are applied again before this process decides anything.
pub(super) fn history(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    Ok(loss_finding(&store.losses()))
}

fn loss_finding(report: &LossReport) -> Finding {
    let unknown = match report.is_incomplete {
        true => "; more was lost than this process remembers, so check what was taken away before",
        false => "",
    };
    if report.is_pending {
        return Finding::failed(format!(
            "the database has lost answered changes; nothing is decided until what was taken away is in force again{unknown}"
        ));
    }
    if report.journal == JournalState::Failed {
        return Finding::warning(format!(
            "the journal cannot be written: what this process remembers ends with it; the log says why{unknown}"
        ));
    }
    match report.losses {
        0 if report.journal == JournalState::Locked => {
            Finding::warning("another process writes the journal; this one needs a journal of its own")
        }
        0 => Finding::ok(),
        losses => Finding::warning(format!(
            "since this process started the database has lost answered changes {losses} times, {} events in all; this \
             process has applied {} changes again{unknown}",
            report.lost_events, report.reapplied
        )),
    }
}

pub(super) fn replication(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    // Other checks report a database that does not respond.
    let found = store.replication().ok().flatten();
    Ok(found.and_then(|found| found.warning()).map_or_else(Finding::ok, Finding::warning))
}

pub(super) fn migrations(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    Ok(match store.is_ready()? {
        true => Finding::ok(),
        false => Finding::failed("the database schema does not match this version of the program"),
    })
}

pub(super) fn workers(store: &Store, _: UnixMillis) -> Result<Finding, StoreError> {
    Ok(worker_finding(&store.workers().states()))
}

fn worker_finding(states: &[WorkerState]) -> Finding {
    if let Some(names) =
        names(states, |state| state.down_for.is_some() && state.importance == Importance::Vital)
    {
        return Finding::failed(format!("waiting for a restart: {names}"));
    }
    if let Some(names) = names(states, |state| state.down_for.is_some()) {
        return Finding::warning(format!("waiting for a restart: {names}"));
    }
    match names(states, |state| state.last_failure_age.is_some_and(|age| age < RECENT)) {
        Some(names) => Finding::warning(format!("restarted within the last ten minutes: {names}")),
        None => Finding::ok(),
    }
}

/// The names of the workers that match; `None` if there are none.
fn names(states: &[WorkerState], matches: fn(&WorkerState) -> bool) -> Option<String> {
    let mut names: Vec<&str> = states.iter().filter(|state| matches(state)).map(|state| state.name).collect();
    names.dedup();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{super::finding::CheckState, *};

    fn state(name: &'static str, importance: Importance) -> WorkerState {
        let mut state = WorkerState::running(name, importance);
        state.last_failure = Some("pat_secret".to_owned());
        state
    }

    fn down(importance: Importance) -> WorkerState {
        let mut state = state("usage", importance);
        state.down_for = Some(RECENT);
        state
    }

    fn restarted(age: Duration) -> WorkerState {
        let mut state = state("reader", Importance::Vital);
        state.last_failure_age = Some(age);
        state
    }

    #[test]
    fn a_loss_fails_the_check_until_it_is_repaired_and_stays_a_warning() {
        let mut report = LossReport::default();
        assert_eq!(loss_finding(&report), Finding::ok());
        report.is_pending = true;
        assert_eq!(loss_finding(&report).state, CheckState::Failed);
        (report.is_pending, report.losses, report.lost_events, report.reapplied) = (false, 1, 7, 3);
        let found = loss_finding(&report);
        assert_eq!(found.state, CheckState::Warning);
        let detail = found.detail.unwrap();
        assert!(
            detail.contains("1 times, 7 events") && detail.contains("applied 3 changes again"),
            "{detail}"
        );
        report.is_incomplete = true;
        assert!(loss_finding(&report).detail.unwrap().contains("more was lost than"));
    }

    #[test]
    fn a_vital_worker_that_is_down_fails_the_check_and_others_are_a_warning() {
        let up = state("reader", Importance::Vital);
        let (recently, long_ago) = (restarted(Duration::ZERO), restarted(RECENT));
        assert_eq!(worker_finding(&[up.clone(), long_ago]), Finding::ok());
        let waiting = "waiting for a restart: usage";
        assert_eq!(worker_finding(&[up.clone(), down(Importance::Vital)]), Finding::failed(waiting));
        assert_eq!(worker_finding(&[up, down(Importance::Background)]), Finding::warning(waiting));
        let restart = "restarted within the last ten minutes: reader";
        assert_eq!(worker_finding(&[recently.clone(), recently]), Finding::warning(restart));
    }
}
