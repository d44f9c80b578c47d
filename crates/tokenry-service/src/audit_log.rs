//! Read the audit log, and prove that it is whole.

use thiserror::Error;
use tokenry_crypto::{GENESIS, link};
use tokenry_domain::PageSize;
use tokenry_store::{
    StoreError,
    audit::{self, AuditFilter, Link},
    instance,
};

use crate::{
    caller::Call,
    cursor::{self, Cursors},
    denial::Denial,
    list::holder,
    tokenry::Tokenry,
    user::admin_scope,
};

/// Some entries of the audit log, newest first.
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<Link>,
    /// What to ask the next page with, if there is one.
    pub next_cursor: Option<String>,
}

/// What a walk along the whole chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCheck {
    /// How many entries there are.
    pub entries: i64,
    /// The first place at which an entry is missing, changed or added; `None` if there is none.
    pub broken_at: Option<i64>,
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
        call: &Call,
        filter: &AuditFilter,
        size: PageSize,
        cursor: Option<&str>,
    ) -> Result<AuditPage, AuditError> {
        call.caller.require(&admin_scope("read"))?;
        let binding = format!("audit {} {filter:?}", holder(&call.caller));
        let cursors = Cursors { key: &self.0.cursor_key, binding };
        let place = |text: &str| cursors.open(text)?.parse::<i64>().map_err(|_| cursor::Forged);
        let before = cursor.map(place).transpose().map_err(|cursor::Forged| AuditError::BadCursor)?;
        let limit = size.get();
        let mut entries = self.0.store.read(|tx| audit::search(tx, filter, before, limit + 1))?;
        let more = entries.len() > usize::from(limit);
        entries.truncate(limit.into());
        let next_cursor = entries.last().filter(|_| more).map(|last| cursors.seal(&last.seq.to_string()));
        Ok(AuditPage { entries, next_cursor })
    }

    /// Walks along the whole chain and computes every digest again.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn check_audit_log(&self, call: &Call) -> Result<AuditCheck, AuditError> {
        call.caller.require(&admin_scope("read"))?;
        Ok(self.0.store.read(|tx| {
            let head = instance::chain_head(tx)?;
            let (mut seq, mut hash) = (0, GENESIS);
            let broken = |seq| Ok(AuditCheck { entries: head.seq, broken_at: Some(seq) });
            loop {
                let entries = audit::list(tx, seq, 500)?;
                if entries.is_empty() {
                    break;
                }
                for entry in entries {
                    let digest = link(&hash, &entry.event.canonical(entry.seq));
                    if entry.seq != seq + 1 || entry.prev_hash != hash || entry.hash != digest {
                        return broken(seq + 1);
                    }
                    (seq, hash) = (entry.seq, entry.hash);
                }
            }
            // The newest entries cannot be cut off unseen either.
            if (seq, hash) != (head.seq, head.hash) {
                return broken(seq + 1);
            }
            Ok::<_, StoreError>(AuditCheck { entries: seq, broken_at: None })
        })?)
    }
}
