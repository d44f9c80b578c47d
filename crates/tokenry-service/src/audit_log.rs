//! Reads the audit log and verifies its hash chain.

use thiserror::Error;
use tokenry_crypto::{GENESIS, chain_digest as digest};
use tokenry_domain::PageSize;
use tokenry_store::{
    StoreError, Tx,
    audit::{self, AuditEntry, AuditFilter},
    instance::{self, ChainHead},
};

use crate::{
    caller::RequestContext,
    denial::Denial,
    page::{Cursors, Forged, Page},
    required::admin_read,
    tokenry::Tokenry,
};

/// One page of the audit log, newest first.
pub type AuditPage = Page<AuditEntry>;

/// The result of a check of the whole chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditCheck {
    /// How many entries there are.
    pub entries: i64,
    /// The sequence number of the first missing, changed or added entry, and its fault; `None` if the chain is intact.
    pub broken: Option<(i64, ChainFault)>,
}

/// The fault of the first entry that differs from what was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// The entry is missing, but later ones exist.
    #[error("an entry is missing")]
    Missing,
    /// Its digest does not match its fields and the entry before it.
    #[error("the entry or the one before it was changed")]
    Changed,
    /// It contains something that Tokenry does not write.
    #[error("the entry cannot be read: {0}")]
    Unreadable(String),
    /// The chain does not end at the head that the database stores.
    #[error("the log does not end where it should: the newest entries were removed, or some were added")]
    WrongEnd,
}

/// Why the audit log cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The caller lacks `admin:read`.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The cursor was not created by this installation for this caller and this query.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// Another check of the chain is running on this node.
    #[error("the audit log is being checked")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Returns one page of the audit log, newest first.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn audit_log(
        &self,
        context: &RequestContext,
        filter: &AuditFilter,
        size: PageSize,
        cursor: Option<&str>,
    ) -> Result<AuditPage, AuditError> {
        context.caller.require(&admin_read())?;
        let cursors = Cursors::new(&self.0.cursor_key, &context.caller, "audit", format_args!("{filter:?}"));
        let before = cursors.position(cursor).map_err(|Forged| AuditError::BadCursor)?;
        let entries = self.0.store.read(|tx| audit::search(tx, filter, before, size.get() + 1))?;
        Ok(Page::cut(entries, size, &cursors, |last| last.seq))
    }

    /// Recomputes every digest of the chain, one page per transaction, so that it blocks no writer; entries appended
    /// meanwhile are included. Only one check runs at a time on this node, since it reads the whole table.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::Busy`] while another check is running.
    pub fn check_audit_log(&self, context: &RequestContext) -> Result<AuditCheck, AuditError> {
        context.caller.require(&admin_read())?;
        let _permit = self.0.audit_check_limit.try_acquire(None).ok_or(AuditError::Busy)?;
        let mut walk = Walk { seq: 0, hash: GENESIS };
        loop {
            let (head, page) = self
                .0
                .store
                .read(|tx| Ok::<_, StoreError>((readable(instance::chain_head(tx))?, page(tx, walk.seq)?)))?;
            let entries = head.as_ref().map_or(walk.seq, |head| head.seq);
            let checked = match (head, page) {
                (Err(what), _) | (_, Err(what)) => Err(ChainFault::Unreadable(what)),
                (Ok(head), Ok(links)) if links.is_empty() => {
                    walk.end(head).map(|()| Some(AuditCheck { entries, broken: None }))
                }
                (Ok(_), Ok(links)) => links.iter().try_for_each(|link| walk.follow(link)).map(|()| None),
            };
            match checked {
                Ok(None) => {}
                Ok(Some(whole)) => return Ok(whole),
                Err(fault) => {
                    return Ok(AuditCheck { entries, broken: Some((walk.seq + 1, fault)) });
                }
            }
        }
    }
}

/// How many entries one transaction reads.
const CHECK_PAGE: u16 = 500;

/// The entries after `after`, or why the next one cannot be read.
fn page(tx: &mut Tx<'_>, after: i64) -> Result<Result<Vec<AuditEntry>, String>, StoreError> {
    // An unreadable entry fails the whole page; then the entries are read one by one.
    let found = match audit::list(tx, after, CHECK_PAGE) {
        Err(StoreError::Corrupt(_)) => audit::list(tx, after, 1),
        found => found,
    };
    readable(found)
}

/// Turns an unreadable value into a finding: Tokenry does not write values that it cannot read.
fn readable<T>(found: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match found {
        Err(StoreError::Corrupt(what)) => Ok(Err(what)),
        found => found.map(Ok),
    }
}

/// How far the chain has been verified.
struct Walk {
    seq: i64,
    hash: [u8; 32],
}

impl Walk {
    fn follow(&mut self, link: &AuditEntry) -> Result<(), ChainFault> {
        if link.seq != self.seq + 1 {
            return Err(ChainFault::Missing);
        }
        let hash = digest(&self.hash, &link.event.canonical_bytes(link.seq));
        if link.prev_hash != self.hash || link.hash != hash {
            return Err(ChainFault::Changed);
        }
        (self.seq, self.hash) = (link.seq, hash);
        Ok(())
    }

    /// Compares the end with the stored head, so that removing the newest entries is detected too.
    fn end(&self, head: ChainHead) -> Result<(), ChainFault> {
        let is_head = (self.seq, self.hash) == (head.seq, head.hash);
        if is_head { Ok(()) } else { Err(ChainFault::WrongEnd) }
    }
}

#[cfg(test)]
mod tests {
    use tokenry_domain::{Actor, AuditEvent, ClientInfo, EventKind, UnixMillis};

    use super::*;

    fn chain(length: i64) -> Vec<AuditEntry> {
        let mut prev_hash = GENESIS;
        let link = |seq| {
            let (at, kind, client) = (UnixMillis::MIN, EventKind::UserCreated, ClientInfo::default());
            let (user_id, token_id, detail) = (None, None, serde_json::Map::new());
            let event = AuditEvent { at, kind, actor: Actor::System, user_id, token_id, client, detail };
            let hash = digest(&prev_hash, &event.canonical_bytes(seq));
            AuditEntry::new(seq, event, std::mem::replace(&mut prev_hash, hash), hash)
        };
        (1..=length).map(link).collect()
    }

    /// The sequence number at which the check of these entries ends, and its result.
    fn walk(links: &[AuditEntry], head: &AuditEntry) -> (i64, Result<(), ChainFault>) {
        let mut walk = Walk { seq: 0, hash: GENESIS };
        let followed = links.iter().try_for_each(|link| walk.follow(link));
        let end = followed.and_then(|()| walk.end(ChainHead { seq: head.seq, hash: head.hash }));
        (walk.seq, end)
    }

    #[test]
    fn every_change_to_the_chain_is_detected_at_the_first_changed_entry() {
        let whole = chain(5);
        let with = |change: fn(&mut Vec<AuditEntry>)| {
            let mut links = whole.clone();
            change(&mut links);
            walk(&links, &whole[4])
        };
        assert_eq!(with(|_| {}), (5, Ok(())));
        assert_eq!(with(|links| drop(links.remove(2))), (2, Err(ChainFault::Missing)));
        assert_eq!(with(|links| drop(links.pop())), (4, Err(ChainFault::WrongEnd)));
        assert_eq!(with(Vec::clear), (0, Err(ChainFault::WrongEnd)));
        assert_eq!(with(|links| links.swap(1, 2)), (1, Err(ChainFault::Missing)));
        assert_eq!(with(|links| links[3].event.at = UnixMillis::MAX), (3, Err(ChainFault::Changed)));
        assert_eq!(with(|links| links[3].hash = [0; 32]), (3, Err(ChainFault::Changed)));
        assert_eq!(with(|links| links[3].prev_hash = [0; 32]), (3, Err(ChainFault::Changed)));
        let longer = chain(6);
        assert_eq!(walk(&longer, &whole[4]), (6, Err(ChainFault::WrongEnd)), "one was added at the end");
    }
}
