//! The cleanup that every server does by itself.

use std::{io, time::Duration};

use tokenry_actix::clock;
use tokenry_service::{
    Caller, CleanupReport, RequestContext, Tokenry,
    supervisor::{Importance, Stop, Worker},
};

/// Often enough that the audit log tells of an expiry within the hour.
const PAUSE: Duration = Duration::from_secs(3600);

/// Cleans up in the background, at once and then again and again, until the result is dropped. A cleanup that is cut off
/// then is done by the next one.
///
/// # Errors
/// When the system gives no further thread.
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
    match tokenry.cleanup_by_clock(&RequestContext::new(Caller::operator(), clock::now())) {
        Ok(cleaned) if cleaned == CleanupReport::default() => {
            tracing::debug!("there was nothing to clean up")
        }
        Ok(CleanupReport { expired, ended_sessions, purged_tokens, purged_uses }) => {
            tracing::info!(expired, ended_sessions, purged_tokens, purged_uses, "cleaned up");
        }
        // Whatever it was may be gone in an hour; requests tell of it sooner.
        Err(error) => tracing::warn!(%error, "the cleanup failed"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokenry_service::{Expiry, Lifetime, NewToken, Settings, Status, Store, StoreSettings};

    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "it is about how long something takes")]
    fn what_is_long_over_is_removed_at_once_and_the_end_is_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let store = Store::open(&url.parse().unwrap(), StoreSettings::default()).unwrap();
        store.migrate().unwrap();
        let tokenry = Tokenry::new(store, Settings::default()).unwrap();
        let now = clock::now();
        let made = RequestContext::new(Caller::operator(), now.checked_sub(Lifetime::days(200)).unwrap());
        let owner = tokenry.find_or_create_user(&made, "alice", None).unwrap();
        let issue = |name: &str, request: &RequestContext, days| {
            let expiry = Some(Expiry::In(Lifetime::days(days)));
            let new = NewToken { name: name.to_owned(), expiry, ..NewToken::default() };
            tokenry.issue_token(request, owner.id, new).unwrap().token.id
        };
        let (dead, live) = (issue("dead", &made, 1), issue("live", &made, 300));
        let now = RequestContext::new(Caller::operator(), now);
        // Without an entry of today in the audit log the clock might be far ahead.
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
