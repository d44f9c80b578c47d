//! Stores planned rows and activates them.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
    vec,
};

use serde_json::Value;
use tokenry_crypto::SecretRng;
use tokenry_domain::{EventKind, ImportId, Subject, UnixMillis, User, UserId};
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

/// How many tokens one transaction changes, so that other writers wait for a moment only.
const BATCH: usize = 500;
/// The most tokens of a transaction that stores new ones: many rows change the same pages of the indexes, so a large
/// transaction writes fewer pages a row.
const MAX_BATCH: usize = 4000;
/// How long a transaction that stores tokens should take; the size of the next one is chosen by it.
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
        let mut known: HashMap<Subject, UserId> = HashMap::new();
        let (mut rows, mut size) = (rows.into_iter(), BATCH);
        loop {
            let batch = next_batch(&mut rows, size, &owners);
            if batch.is_empty() {
                break;
            }
            let stored = to_u64(batch.len());
            let batch = with_owners(&source, run, batch, &mut owners, &mut known)?;
            let (audit, end) = (audit.clone(), Deadline::after(BATCH_TIME));
            let (created, found) = self.0.store.write(move |tx| batch.store(tx, &audit))?;
            size = next_size(size, end.left());
            known.extend(found);
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
            let uncleared = store.read(|tx| import::uncleared_tokens(tx, run))?;
            cleared += uncleared.len();
            for ids in uncleared.chunks(BATCH).map(<[_]>::to_vec) {
                let locked = store.write(move |tx| {
                    // Never waits while it holds locks, so it cannot be part of a deadlock.
                    let free = token::try_lock_all(tx, &ids)?;
                    import::clear_inactive(tx, &free)?;
                    Ok::<_, StoreError>(ids.into_iter().filter(|id| !free.contains(id)).collect::<Vec<_>>())
                })?;
                for id in locked {
                    store.write(move |tx| import::clear_inactive(tx, &[id]))?;
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

/// The rows of the next transaction: at most `size`, of which at most [`BATCH`] have an owner that is to be created, as
/// each creation is several statements.
fn next_batch(
    rows: &mut vec::IntoIter<PlannedRow>,
    size: usize,
    owners: &HashMap<Subject, PlannedOwner>,
) -> Vec<PlannedRow> {
    let (mut batch, mut new) = (Vec::with_capacity(size.min(rows.len())), 0);
    while batch.len() < size
        && new < BATCH
        && let Some(row) = rows.next()
    {
        new += usize::from(matches!(owners.get(&row.owner), Some(PlannedOwner::New(_))));
        batch.push(row);
    }
    batch
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

/// The rows with their owners. `known` has the owners of earlier rows, and receives those of these rows;
/// they leave `planned`.
fn with_owners(
    source: &str,
    run: ImportRun,
    rows: Vec<PlannedRow>,
    planned: &mut HashMap<Subject, PlannedOwner>,
    known: &mut HashMap<Subject, UserId>,
) -> Result<Batch, ImportError> {
    let (mut owners, mut new): (HashMap<Subject, UserId>, Vec<User>) = Default::default();
    let mut new_ids = HashSet::new();
    for row in &rows {
        if let Some(id) = known.get(&row.owner) {
            if !new_ids.contains(id) {
                owners.insert(row.owner.clone(), *id);
            }
            continue;
        }
        let id = match planned.remove(&row.owner) {
            Some(PlannedOwner::Existing(id)) => {
                owners.insert(row.owner.clone(), id);
                id
            }
            Some(PlannedOwner::New(user)) => {
                let id = user.id;
                new_ids.insert(id);
                new.push(*user);
                id
            }
            None => return Err(StoreError::Bug("a planned row has no owner".to_owned()).into()),
        };
        known.insert(row.owner.clone(), id);
    }
    Ok(Batch { source: source.to_owned(), run, rows, owners, new })
}

/// The tokens of one transaction.
struct Batch {
    source: String,
    run: ImportRun,
    rows: Vec<PlannedRow>,
    /// The owners that exist, or existed when the plan was made.
    owners: HashMap<Subject, UserId>,
    /// The owners to be created.
    new: Vec<User>,
}

impl Batch {
    /// Stores the tokens with their owners, and appends all audit entries together at the end. Returns how many users
    /// were created, and the ids of those that somebody else created meanwhile.
    fn store(
        mut self,
        tx: &mut Tx<'_>,
        audit: &AuditContext,
    ) -> Result<(u64, HashMap<Subject, UserId>), ImportError> {
        let mut ids: Vec<UserId> = self.owners.values().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        // Users are locked before tokens and the audit log, as in every other change.
        let locked = import::lock_owners(tx, &ids)?;
        if locked.len() != ids.len() || !import::lock_unfinished(tx, &self.run)? {
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
        let (mut created, mut found) = (0, HashMap::new());
        for user in &self.new {
            if let Some(user) = user::find_by_subject(tx, &user.subject)? {
                found.insert(user.subject, user.id);
                continue;
            }
            if tombstone::find(tx, &user.subject)?.is_some_and(|tombstone| tombstone.was_disabled) {
                return Err(ImportError::Concurrent);
            }
            user::insert(tx, user)?;
            let detail = crate::user::creation_detail(user);
            events.push(audit.event(EventKind::UserCreated, Some(user.id), None, detail));
            self.owners.insert(user.subject.clone(), user.id);
            created += 1;
        }
        self.owners.extend(found.iter().map(|(subject, id)| (subject.clone(), *id)));
        let mut stored = Vec::with_capacity(self.rows.len());
        for PlannedRow { source_id, owner, mut token, secret, is_active, .. } in self.rows {
            token.user_id = *self.owners.get(&owner).ok_or(ImportError::Concurrent)?;
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
