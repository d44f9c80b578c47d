//! Read the audit log, and prove that it is whole.

use thiserror::Error;
use tokenry_crypto::{GENESIS, link as digest};
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

/// What a walk along the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheck {
    /// How many entries there are.
    pub entries: i64,
    /// The first place at which an entry is missing, changed or added, and what is wrong there; `None` if there is none.
    pub broken: Option<(i64, ChainFault)>,
}

/// What is wrong with the first entry that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// There is none, but there are later ones.
    #[error("an entry is missing")]
    Missing,
    /// Its digest is not that of its fields behind the entry before it.
    #[error("the entry or the one before it was changed")]
    Changed,
    /// It holds something that Tokenry does not write.
    #[error("the entry cannot be read: {0}")]
    Unreadable(String),
    /// The chain ends elsewhere than the installation remembers.
    #[error("the log does not end where it should: the newest entries were removed, or some were added")]
    WrongEnd,
}

/// Why the audit log is not shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The caller may not administer.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The cursor was not made by this installation for this caller and this query.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// Somebody else checks the chain already.
    #[error("the audit log is being checked")]
    Busy,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// One page of the audit log.
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

    /// Walks along the whole chain and computes every digest again, a page at a time: nobody waits for it, and what is
    /// appended meanwhile is part of it. One walk at a time on this node, since it reads the whole table.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::Busy`] while another walk is under way.
    pub fn check_audit_log(&self, context: &RequestContext) -> Result<AuditCheck, AuditError> {
        context.caller.require(&admin_read())?;
        let _alone = self.0.chain_gate.try_acquire(None).ok_or(AuditError::Busy)?;
        let mut walk = Walk { seq: 0, hash: GENESIS };
        loop {
            let here = |tx: &mut Tx<'_>| {
                Ok::<_, StoreError>((readable(instance::chain_head(tx))?, page(tx, walk.seq)?))
            };
            let (head, page) = self.0.store.read(here)?;
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

/// How many entries are read at once.
const PAGE: u16 = 500;

/// The entries behind a place, or what keeps the very next one from being read.
fn page(tx: &mut Tx<'_>, after: i64) -> Result<Result<Vec<AuditEntry>, String>, StoreError> {
    // One that cannot be read hides those before it; then they are read one by one.
    let found = match audit::list(tx, after, PAGE) {
        Err(StoreError::Corrupt(_)) => audit::list(tx, after, 1),
        found => found,
    };
    readable(found)
}

/// What was read, or why it cannot be: what Tokenry would not have written was not written by it.
fn readable<T>(found: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match found {
        Err(StoreError::Corrupt(what)) => Ok(Err(what)),
        found => found.map(Ok),
    }
}

/// How far the chain was followed.
struct Walk {
    seq: i64,
    hash: [u8; 32],
}

impl Walk {
    fn follow(&mut self, link: &AuditEntry) -> Result<(), ChainFault> {
        if link.seq != self.seq + 1 {
            return Err(ChainFault::Missing);
        }
        let hash = digest(&self.hash, &link.event.canonical(link.seq));
        if link.prev_hash != self.hash || link.hash != hash {
            return Err(ChainFault::Changed);
        }
        (self.seq, self.hash) = (link.seq, hash);
        Ok(())
    }

    /// The newest entries cannot be cut off unseen either.
    fn end(&self, head: ChainHead) -> Result<(), ChainFault> {
        let is_there = (self.seq, self.hash) == (head.seq, head.hash);
        if is_there { Ok(()) } else { Err(ChainFault::WrongEnd) }
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
            let hash = digest(&prev_hash, &event.canonical(seq));
            AuditEntry { seq, event, prev_hash: std::mem::replace(&mut prev_hash, hash), hash }
        };
        (1..=length).map(link).collect()
    }

    /// Where a walk along these entries ends, and why.
    fn walk(links: &[AuditEntry], head: &AuditEntry) -> (i64, Result<(), ChainFault>) {
        let mut walk = Walk { seq: 0, hash: GENESIS };
        let followed = links.iter().try_for_each(|link| walk.follow(link));
        let end = followed.and_then(|()| walk.end(ChainHead { seq: head.seq, hash: head.hash }));
        (walk.seq, end)
    }

    #[test]
    fn only_the_very_entries_in_their_order_are_a_chain() {
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
