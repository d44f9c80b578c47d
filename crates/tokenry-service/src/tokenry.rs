//! The service: a store and what an installation decided.

use std::sync::{Arc, atomic::AtomicBool};

use thiserror::Error;
use tokenry_crypto::{Hasher, HasherError, Prefix, Prefixes, RngError, SealKey, SecretRng};
use tokenry_domain::{Catalog, Lifetime, Policy, Scope, SecretProof, UnixMillis};
use tokenry_store::{Store, StoreError, StoredSecret, instance};

use crate::{
    caller::Caller,
    clock::watch::ClockWatch,
    ends::Ends,
    hash_queue::HashQueue,
    readiness::{Finding, Prober, Readiness},
    refusals::queue::Refusals,
    rules::Rules,
    semaphore::Semaphore,
    settings::{SessionSettings, Settings, SlowHash, UsageSettings},
    unwritten::Taken,
    usage::write_behind::WriteBehind,
    verify::{pending::PendingRewrites, proof_cache::ProofCache, snapshots::Snapshots},
    worker_pool::WorkerPool,
};

/// Personal access tokens of one installation. Cheap to clone; all clones share connections and caches.
#[derive(Clone)]
pub struct Tokenry(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) prefixes: Prefixes,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) slow_hash: SlowHash,
    /// What an unknown public id is compared with.
    pub(crate) dummy: StoredSecret,
    pub(crate) rules: Arc<Rules>,
    pub(crate) retention: Option<Lifetime>,
    pub(crate) session: SessionSettings,
    pub(crate) usage: UsageSettings,
    #[cfg(feature = "jwt")]
    pub(crate) sign_in: Option<crate::issuer::SignIn>,
    pub(crate) cursor_key: SealKey,
    pub(crate) proofs: ProofCache,
    /// Rows of a moment ago, where that is allowed.
    pub(crate) snapshots: Option<Snapshots>,
    /// Slow hashes that verifications wait for.
    pub(crate) hash_queue: HashQueue,
    /// Makes stored hashes, of new tokens and after the settings changed, one after another.
    pub(crate) rewrites: WorkerPool,
    /// Tells of retired secrets that are used, and writes proofs.
    pub(crate) alarms: WorkerPool,
    pub(crate) pending_rewrites: PendingRewrites,
    /// Uses of retired secrets that are not recorded yet.
    pub(crate) reuses: Arc<Taken>,
    /// Whether it is being closed.
    pub(crate) is_closing: Arc<AtomicBool>,
    /// What tokens are used for.
    pub(crate) uses: WriteBehind,
    pub(crate) refusals: Refusals,
    /// Whether the clock can be believed.
    pub(crate) clock: ClockWatch,
    /// What this process answered that is over.
    pub(crate) ends: Arc<Ends>,
    /// Finds out whether all is well.
    pub(crate) prober: Prober,
    /// Who checks the audit log.
    pub(crate) chain_gate: Semaphore,
    /// Who adds up uses.
    pub(crate) summary_gate: Semaphore,
}

/// Why an installation cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The hash settings contradict themselves.
    #[error(transparent)]
    Hash(#[from] HasherError),
    /// The configured pepper is not the one that this database's tokens were hashed with.
    #[error(
        "the pepper is not the one this database was begun with: no token would match; restore the old key"
    )]
    WrongPepper,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Opens an installation on a migrated store.
    ///
    /// # Errors
    /// [`OpenError`] says what to change.
    pub fn new(store: Store, settings: Settings) -> Result<Self, OpenError> {
        let mut rng = SecretRng::os();
        let fresh_key: [u8; 32] = rng.bytes()?;
        let key_checks: Vec<_> = settings.hash.peppers.iter().map(|pepper| pepper.key_check()).collect();
        let cursor_key = store.write(move |tx| remembered(tx, fresh_key, &key_checks))?;
        let hasher = Arc::new(Hasher::new(settings.hash)?);
        let ends = Arc::new(Ends::under(settings.policy.clone()));
        Ok(Self(Arc::new(Inner {
            proofs: ProofCache::new(),
            snapshots: Snapshots::within(settings.max_staleness, settings.monotonic.clone()),
            clock: ClockWatch::with(settings.monotonic),
            hash_queue: HashQueue::start(store.workers())?,
            rewrites: WorkerPool::with_threads(store.workers(), "hash-rewrite", 1)?,
            pending_rewrites: PendingRewrites::default(),
            reuses: Arc::default(),
            is_closing: Arc::default(),
            alarms: WorkerPool::with_threads(store.workers(), "alarm", 1)?,
            uses: WriteBehind::start(
                store.clone(),
                settings.usage,
                u64::from_le_bytes(rng.bytes()?),
                ends.clone(),
            )?,
            ends,
            refusals: Refusals::start(store.clone())?,
            prober: Prober::start(&store)?,
            chain_gate: Semaphore::of(1),
            // Half of the connections that a store has by default.
            summary_gate: Semaphore::of(4),
            store,
            prefixes: Prefixes::new(settings.prefix, settings.former_prefixes),
            dummy: StoredSecret { proof: Some(SecretProof::new([0; 32])), ..hasher.dummy().clone().into() },
            hasher,
            slow_hash: settings.slow_hash,
            rules: Arc::new(Rules { policy: settings.policy, catalog: settings.catalog }),
            retention: settings.retention,
            session: settings.session,
            usage: settings.usage,
            #[cfg(feature = "jwt")]
            sign_in: settings.sign_in,
            cursor_key: SealKey::from_bytes(cursor_key),
        })))
    }

    /// The database of this installation.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What every new token of this installation begins with.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        self.0.prefixes.present()
    }

    /// What tokens may be made.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.rules.policy
    }

    /// How long dead tokens stay listed before a cleanup removes them; `None` is for ever.
    #[must_use]
    pub fn retention(&self) -> Option<Lifetime> {
        self.0.retention
    }

    /// What the usage log keeps.
    #[must_use]
    pub fn usage_settings(&self) -> UsageSettings {
        self.0.usage
    }

    /// What the scopes and roles mean.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.0.rules.catalog
    }

    /// Makes all checks, side by side, and has an answer within three seconds whatever becomes of the database. Those who
    /// ask at the same moment share one round. The future needs no runtime.
    pub async fn readiness(&self, now: UnixMillis) -> Readiness {
        self.0.prober.ask(now).await
    }

    /// Adds a check, for all clones of this service. A check that hangs is called failed.
    pub fn add_check(
        &self,
        name: &'static str,
        check: impl Fn(UnixMillis) -> Finding + Send + Sync + 'static,
    ) {
        self.0.prober.add(name, move |_, now| Ok(check(now)));
    }

    /// Whether `caller` could make a token of their own with this scope; an operator could for somebody.
    #[must_use]
    pub fn can_grant(&self, caller: &Caller, scope: &Scope) -> bool {
        let Some(user) = caller.user() else { return self.0.rules.catalog.knows(scope) };
        let own = caller.effective();
        self.0.rules.catalog.of_tokens(&user.role).can_delegate(scope)
            && own.is_none_or(|effective| effective.can_delegate(scope))
    }
}

/// The key that seals cursors, made by the first node; and the proof that the pepper is the right one.
fn remembered(
    tx: &mut tokenry_store::Tx<'_>,
    fresh_key: [u8; 32],
    key_checks: &[String],
) -> Result<[u8; 32], OpenError> {
    let mut row = instance::lock(tx)?;
    if let (Some(known), Some(_)) = (&row.hash_key_check, key_checks.first())
        && !key_checks.contains(known)
    {
        return Err(OpenError::WrongPepper);
    }
    let key = *row.cursor_key.get_or_insert(fresh_key);
    // The newest pepper is remembered, so that the old one can be left out after a change of keys.
    row.hash_key_check = key_checks.first().cloned().or(row.hash_key_check);
    instance::update(tx, &row)?;
    Ok(key)
}
