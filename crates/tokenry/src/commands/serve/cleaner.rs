//! The periodic cleanup of every server.

use std::{io, time::Duration};

use tokenry_actix::clock;
use tokenry_service::{
    CleanupReport, RequestContext, Tokenry,
    supervisor::{Importance, Stop, Worker},
    unrestricted,
};

/// The interval between cleanups, so that the audit log records an expiry within an hour.
const PAUSE: Duration = Duration::from_secs(3600);

/// Cleans up in the background, immediately and then every [`PAUSE`], until the result is dropped. The next cleanup
/// completes an interrupted one.
///
/// # Errors
/// If the system cannot start a thread.
pub(super) fn start(tokenry: Tokenry) -> io::Result<Worker> {
    let workers = tokenry.store().workers().clone();
    workers.start("cleanup", Importance::Background, move |stop: &Stop| {
        clean(&tokenry);
        while !stop.wait(PAUSE) {
            clean(&tokenry);
        }
    })
}

fn clean(tokenry: &Tokenry) {
    match tokenry.cleanup_by_clock(&RequestContext::new(unrestricted::operator(), clock::now())) {
        Ok(cleaned) if cleaned == CleanupReport::default() => {
            tracing::debug!("nothing to clean up")
        }
        Ok(CleanupReport { expired, ended_sessions, purged_tokens, purged_uses, .. }) => {
            tracing::info!(expired, ended_sessions, purged_tokens, purged_uses, "cleaned up");
        }
        // The next cleanup tries again; a persistent fault also shows in requests.
        Err(error) => tracing::warn!(%error, "cleanup failed"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokenry_service::{Expiry, Lifetime, NewToken, Settings, Status, Store, StoreSettings};

    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test measures elapsed time")]
    fn an_old_expired_token_is_deleted_at_the_start_and_the_cleaner_stops_promptly() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let store = Store::open(&url.parse().unwrap(), StoreSettings::default()).unwrap();
        store.migrate().unwrap();
        let tokenry = Tokenry::new(store, Settings::default()).unwrap();
        let now = clock::now();
        let made =
            RequestContext::new(unrestricted::operator(), now.checked_sub(Lifetime::days(200)).unwrap());
        let owner = tokenry.find_or_create_user(&made, "alice", None).unwrap();
        let issue = |name: &str, request: &RequestContext, days| {
            let expiry = Some(Expiry::In(Lifetime::days(days)));
            let new = NewToken::new(name.to_owned()).with_expiry(expiry);
            tokenry.issue_token(request, owner.id, new).unwrap().token.id
        };
        let (dead, live) = (issue("dead", &made, 1), issue("live", &made, 300));
        let now = RequestContext::new(unrestricted::operator(), now);
        // Without a recent entry in the audit log the clock might be far ahead.
        issue("new", &now, 1);
        let start = Instant::now();
        let cleaner = super::start(tokenry.clone()).unwrap();
        while tokenry.find_token(&now, dead).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(10), "it was not removed");
            std::thread::sleep(Duration::from_millis(5));
        }
        let end = Instant::now();
        drop(cleaner);
        assert!(end.elapsed() < Duration::from_secs(1), "it did not stop");
        assert_eq!(
            tokenry.find_token(&now, live).unwrap().0.status(&tokenry.policy().cutoffs(now.now)),
            Status::Active
        );
    }
}
