//! Stores planned rows and activates them.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
    vec,
};

use serde_json::Value;
use tokenry_crypto::SecretRng;
use tokenry_domain::{EventKind, ImportId, Subject, TokenId, UnixMillis, User, UserId};
use tokenry_store::{
    StoreError, Tx,
    import::{self, ImportRun, ImportedRow},
    supervisor::Deadline,
    token::{self, ImportedToken},
    tombstone, user,
};

use super::{ImportError, ImportPlan, ImportReport, PlannedOwner, PlannedRow, require_operator, to_u64};
use crate::{
    audit::{AuditContext, append, creation_detail, detail},
    caller::RequestContext,
    tokenry::Tokenry,
};

/// How many tokens the first transaction changes, so that other writers wait for a moment only.
const BATCH: usize = 500;
/// The most tokens of a transaction: many rows change the same pages of the indexes, so a large transaction writes fewer
/// pages a row.
const MAX_BATCH: usize = 4000;
/// A transaction creates at most one owner for this many tokens that it may store, as a creation takes longer.
const TOKENS_PER_NEW_OWNER: usize = 4;
/// How long a transaction should take; the size of the next one is chosen by it.
const BATCH_TIME: Duration = Duration::from_millis(150);

impl Tokenry {
    /// Stores the tokens of a plan and activates them. `progress` receives the number of stored rows after each
    /// transaction. The tokens work at once in this process, and in others within five seconds.
    ///
    /// # Errors
    /// [`ImportError`]: no token was activated, and the same rows resume the import.
    pub fn run_import(
        &self,
        context: &RequestContext,
        plan: ImportPlan,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ImportReport, ImportError> {
        require_operator(context)?;
        let audit = AuditContext::of(context);
        let ImportPlan { source, digest, rows, mut owners, shapes, .. } = plan;
        let unfinished = self.0.store.read(|tx| import::unfinished(tx, &source))?;
        let mut report = ImportReport::default();
        let run = match unfinished {
            Some(run) if run.digest == digest => run,
            None if rows.is_empty() => {
                self.apply_imports(context.now)?;
                return Ok(report);
            }
            other => {
                if let Some(old) = other {
                    self.discard(&source, old.id, &audit)?;
                }
                let id = ImportId::new(context.now, SecretRng::os().bytes()?);
                let run = ImportRun { id, digest, begun_at: context.now };
                let (source, now) = (source.clone(), context.now);
                self.0.store.write(move |tx| {
                    import::begin(tx, &source, &run)?;
                    shapes.iter().try_for_each(|shape| import::insert_shape(tx, shape.as_str(), now))?;
                    Ok::<_, StoreError>(run)
                })?
            }
        };
        let (mut rows, mut size) = (rows.into_iter(), BATCH);
        loop {
            let batch = Batch::next(&source, run, &mut rows, size, &mut owners)?;
            if batch.rows.is_empty() {
                break;
            }
            let stored = to_u64(batch.rows.len());
            let (audit, end) = (audit.clone(), Deadline::after(BATCH_TIME));
            let (created, found) = self.0.store.write(move |tx| batch.store(tx, &audit))?;
            size = next_size(size, end.left());
            owners.extend(found.into_iter().map(|user| (user.subject, PlannedOwner::Existing(user.id))));
            report.created_users += created;
            progress(stored);
        }
        let now = context.now;
        report.imported = self.0.store.write(move |tx| {
            if !import::finish(tx, &run, now)? {
                return Err(ImportError::Concurrent);
            }
            let tokens = import::count(tx, &source, run.id)?;
            let fields = detail([
                ("source", Value::from(source)),
                ("import_id", Value::from(run.id.to_string())),
                ("tokens", Value::from(tokens)),
            ]);
            audit.record_about(tx, EventKind::ImportFinished, None, None, fields)?;
            Ok(tokens)
        })?;
        // From here on the import is complete, whatever happens.
        if let Err(error) = self.0.shapes.reload(&self.0.store).and_then(|()| self.apply_imports(now)) {
            tracing::warn!(%error, "the import is complete, and a cleanup will complete its bookkeeping");
        }
        Ok(report)
    }

    /// Clears `inactive_at` of the tokens that finished imports have activated, in short transactions. Returns how many.
    pub(crate) fn apply_imports(&self, now: UnixMillis) -> Result<usize, StoreError> {
        let (store, mut cleared) = (&self.0.store, 0);
        for run in store.read(import::unapplied)? {
            let mut activated = store.read(|tx| import::activated_tokens(tx, run))?.into_iter();
            let mut size = BATCH;
            while activated.len() > 0 {
                let ids: Vec<_> = activated.by_ref().take(size).collect();
                let end = Deadline::after(BATCH_TIME);
                let (count, locked) = store.write(move |tx| {
                    // Never waits while it holds locks, so it cannot be part of a deadlock.
                    let free = token::try_lock_all(tx, &ids)?;
                    let count = import::clear_inactive(tx, &free)?;
                    let free: HashSet<TokenId> = free.into_iter().collect();
                    let locked: Vec<_> = ids.into_iter().filter(|id| !free.contains(id)).collect();
                    Ok::<_, StoreError>((count, locked))
                })?;
                size = next_size(size, end.left());
                cleared += count;
                for id in locked {
                    cleared += store.write(move |tx| import::clear_inactive(tx, &[id]))?;
                }
            }
            store.write(move |tx| import::mark_applied(tx, run, now))?;
        }
        Ok(cleared)
    }

    /// Deletes the tokens of an unfinished run of other rows; none of them was activated by it.
    fn discard(&self, source: &str, run: ImportId, audit: &AuditContext) -> Result<(), ImportError> {
        if !self.0.store.write(move |tx| import::begin_discard(tx, run))? {
            return Err(ImportError::Concurrent);
        }
        let mut discarded = 0;
        loop {
            let count = self.0.store.write(move |tx| discard_batch(tx, run))?;
            if count == 0 {
                break;
            }
            discarded += count;
        }
        let (source, audit) = (source.to_owned(), audit.clone());
        self.0.store.write(move |tx| {
            if !import::forget(tx, run)? {
                return Err(ImportError::Concurrent);
            }
            let fields = detail([
                ("source", Value::from(source)),
                ("import_id", Value::from(run.to_string())),
                ("tokens", Value::from(discarded)),
            ]);
            Ok::<_, ImportError>(audit.record_about(tx, EventKind::ImportDiscarded, None, None, fields)?)
        })
    }
}

/// The size of the next transaction, when the last one left this much of [`BATCH_TIME`].
fn next_size(size: usize, left: Duration) -> usize {
    let next = if left >= BATCH_TIME / 2 {
        size * 2
    } else if left.is_zero() {
        size / 2
    } else {
        size
    };
    next.clamp(BATCH, MAX_BATCH)
}

/// Deletes some tokens of an unfinished run that nobody changed, and returns how many.
fn discard_batch(tx: &mut Tx<'_>, run: ImportId) -> Result<u64, StoreError> {
    let limit = u16::try_from(BATCH).unwrap_or(u16::MAX);
    let owners: Vec<UserId> =
        import::untouched_tokens(tx, run, limit)?.into_iter().map(|(_, owner)| owner).collect();
    import::lock_owners(tx, &owners)?;
    // Read again under the locks: a token may have been revoked before they were granted.
    let found = import::untouched_tokens(tx, run, limit)?;
    let ids: Vec<_> =
        found.into_iter().filter(|(_, owner)| owners.contains(owner)).map(|(token, _)| token).collect();
    import::discard(tx, run, &ids)?;
    Ok(to_u64(ids.len()))
}

/// The tokens of one transaction.
struct Batch {
    source: String,
    run: ImportRun,
    rows: Vec<PlannedRow>,
    /// The owners that exist, or existed when the plan was made.
    owners: Vec<UserId>,
    /// The owners to be created.
    new: Vec<User>,
}

impl Batch {
    /// Takes the rows of the next transaction. Of the owners, those that it creates exist for later ones.
    fn next(
        source: &str,
        run: ImportRun,
        rows: &mut vec::IntoIter<PlannedRow>,
        size: usize,
        planned: &mut HashMap<Subject, PlannedOwner>,
    ) -> Result<Self, StoreError> {
        let mut batch =
            Self { source: source.to_owned(), run, rows: Vec::new(), owners: Vec::new(), new: Vec::new() };
        batch.rows.reserve(size.min(rows.len()));
        let mut seen = HashSet::new();
        while batch.rows.len() < size
            && batch.new.len() * TOKENS_PER_NEW_OWNER < size
            && let Some(mut row) = rows.next()
        {
            let unknown = || StoreError::Bug("a planned row has no owner".to_owned());
            let owner = planned.get_mut(&row.owner).ok_or_else(unknown)?;
            let id = owner.id();
            if seen.insert(id) {
                match std::mem::replace(owner, PlannedOwner::Existing(id)) {
                    PlannedOwner::Existing(id) => batch.owners.push(id),
                    PlannedOwner::New(user) => batch.new.push(*user),
                }
            }
            row.token.user_id = id;
            batch.rows.push(row);
        }
        batch.owners.sort_unstable();
        Ok(batch)
    }

    /// Stores the tokens with their owners, and appends all audit entries together at the end. Returns how many users
    /// were created, and those that somebody else created meanwhile.
    fn store(self, tx: &mut Tx<'_>, audit: &AuditContext) -> Result<(u64, Vec<User>), ImportError> {
        // Users are locked before tokens and the audit log, as in every other change.
        let locked = import::lock_owners(tx, &self.owners)?;
        if locked.len() != self.owners.len() || !import::lock_unfinished(tx, &self.run)? {
            return Err(ImportError::Concurrent);
        }
        let begun_at = self.run.begun_at;
        // SECURITY: who revokes all tokens of a user during an import also ends those that are not stored yet.
        let revoked: Vec<UserId> = locked
            .into_iter()
            .filter(|(_, revoked_at)| revoked_at.is_some_and(|at| at >= begun_at))
            .map(|(id, _)| id)
            .collect();
        let mut events = Vec::with_capacity(self.rows.len() + self.new.len());
        let (mut created, mut found, mut found_ids) = (0, Vec::new(), HashMap::new());
        for user in &self.new {
            if let Some(existing) = user::find_by_subject(tx, &user.subject)? {
                found_ids.insert(user.id, existing.id);
                found.push(existing);
                continue;
            }
            if tombstone::find(tx, &user.subject)?.is_some_and(|tombstone| tombstone.was_disabled) {
                return Err(ImportError::Concurrent);
            }
            user::insert(tx, user)?;
            let detail = crate::user::creation_detail(user);
            events.push(audit.event(EventKind::UserCreated, Some(user.id), None, detail));
            created += 1;
        }
        let mut stored = Vec::with_capacity(self.rows.len());
        for PlannedRow { source_id, mut token, secret, is_active, .. } in self.rows {
            token.user_id = found_ids.get(&token.user_id).copied().unwrap_or(token.user_id);
            let mut fields = creation_detail(&token);
            fields.insert("source".to_owned(), Value::from(self.source.as_str()));
            fields.insert("source_id".to_owned(), Value::from(source_id.as_str()));
            events.push(audit.event(EventKind::TokenImported, Some(token.user_id), Some(token.id), fields));
            let is_active = is_active && !revoked.contains(&token.user_id);
            stored.push(ImportedRow { source_id, import: ImportedToken { token, secret }, is_active });
        }
        import::insert(tx, &self.source, self.run.id, stored)?;
        append(tx, &events)?;
        Ok((created, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_transaction_is_larger_after_a_fast_one_and_smaller_after_a_slow_one() {
        let (all, half, some) = (BATCH_TIME, BATCH_TIME / 2, Duration::from_millis(1));
        for (size, left, next) in [
            (500, all, 1000),
            (500, half, 1000),
            (2000, some, 2000),
            (2000, Duration::ZERO, 1000),
            (4000, all, 4000),
            (500, Duration::ZERO, 500),
        ] {
            assert_eq!(next_size(size, left), next, "{size} rows, {left:?} left");
        }
    }
}
