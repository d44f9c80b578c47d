//! The service: the store, the settings, and the state that use cases share.

use std::sync::{Arc, atomic::AtomicBool};

use thiserror::Error;
use tokenry_crypto::{Hasher, HasherError, MacKey, Prefix, Prefixes, RngError, SecretRng};
use tokenry_domain::{Catalog, Lifetime, Policy, Scope, ScopeSet, SecretProof, UnixMillis};
use tokenry_store::{StoreError, StoredSecret, Tx, instance};

use crate::{
    caller::Caller,
    clock::watch::ClockWatch,
    hash_queue::HashQueue,
    observed_expiries::ObservedExpiries,
    readiness::{self, Finding, Prober, Readiness},
    reapply,
    rejections::queue::RejectionLog,
    rules::Rules,
    semaphore::Semaphore,
    settings::{SessionSettings, Settings, SlowHash, UsageSettings},
    shapes::Shapes,
    store::Store,
    unwritten::Taken,
    usage::write_behind::WriteBehind,
    verify::{outcomes::VerifyCounts, pending::PendingRewrites, proof_cache::ProofCache, rows::Rows},
    worker_pool::WorkerPool,
};

/// Personal access tokens of one installation. Cheap to clone; all clones share connections and caches.
#[derive(Clone)]
pub struct Tokenry(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: tokenry_store::Store,
    pub(crate) prefixes: Prefixes,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) slow_hash: SlowHash,
    /// Whether imported hashes are replaced at the first use.
    pub(crate) rehash_imported: bool,
    /// The shapes of imported tokens.
    pub(crate) shapes: Shapes,
    /// The secret that a presented secret with an unknown public id is compared with.
    pub(crate) dummy: StoredSecret,
    pub(crate) rules: Arc<Rules>,
    pub(crate) retention: Option<Lifetime>,
    pub(crate) session: SessionSettings,
    pub(crate) usage: UsageSettings,
    #[cfg(feature = "jwt")]
    pub(crate) sign_in: Option<crate::issuer::SignIn>,
    #[cfg(feature = "jwt")]
    pub(crate) oidc: Option<crate::oidc::providers::Oidc>,
    pub(crate) cursor_key: MacKey,
    /// The results of verifications.
    pub(crate) verify_counts: VerifyCounts,
    /// The secrets that a slow hash has matched.
    pub(crate) proofs: ProofCache,
    /// Those that it has not, so that a repeated request for an imported token costs no hash.
    pub(crate) mismatches: ProofCache,
    /// The rows in memory.
    pub(crate) rows: Arc<Rows>,
    /// The slow hashes that verifications wait for.
    pub(crate) hash_queue: HashQueue,
    /// Computes the stored hashes of new tokens and after a change of settings, one at a time.
    pub(crate) rewrites: WorkerPool,
    /// Records uses of retired secrets, and writes proofs.
    pub(crate) alarms: WorkerPool,
    pub(crate) pending_rewrites: PendingRewrites,
    /// Uses of retired secrets that are not recorded yet.
    pub(crate) reuses: Arc<Taken>,
    /// Whether the service is closing.
    pub(crate) is_closing: Arc<AtomicBool>,
    /// Buffered uses of tokens and sessions.
    pub(crate) uses: WriteBehind,
    pub(crate) rejections: RejectionLog,
    /// Observations of the clock.
    pub(crate) clock: ClockWatch,
    /// Credentials that this process rejected as expired.
    pub(crate) expiries: Arc<ObservedExpiries>,
    /// Runs the readiness checks.
    pub(crate) prober: Prober,
    /// Limits concurrent checks of the audit log.
    pub(crate) audit_check_limit: Semaphore,
    /// Limits concurrent usage summaries.
    pub(crate) summary_limit: Semaphore,
}

/// Why an installation cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The hash settings are inconsistent.
    #[error(transparent)]
    Hash(#[from] HasherError),
    /// The configured pepper is not the one that this database's tokens were hashed with.
    #[error(
        "the pepper is not the one this database was begun with: no token would match; restore the old key"
    )]
    WrongPepper,
    /// An OpenID provider has invalid settings.
    #[cfg(feature = "jwt")]
    #[error(transparent)]
    Provider(#[from] tokenry_crypto::JwtSettingsError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Opens an installation on a migrated store.
    ///
    /// # Errors
    /// [`OpenError`] names what to change.
    pub fn new(store: impl Into<Store>, settings: Settings) -> Result<Self, OpenError> {
        let store = store.into().into_transactional();
        let mut rng = SecretRng::os();
        let fresh_key: [u8; 32] = rng.bytes()?;
        let key_checks: Vec<_> = settings.hash.peppers.iter().map(|pepper| pepper.key_check()).collect();
        let cursor_key = store.write(move |tx| instance_key(tx, fresh_key, &key_checks))?;
        let hasher = Arc::new(Hasher::new(settings.hash)?);
        let rules = Arc::new(Rules { policy: settings.policy, catalog: settings.catalog });
        store.remember_changes(reapply::handler(rules.clone()), settings.journal.as_deref())?;
        let expiries = Arc::new(ObservedExpiries::new(rules.clone()));
        #[cfg(feature = "jwt")]
        let oidc = settings
            .oidc
            .map(|oidc| crate::oidc::providers::Oidc::new(oidc, settings.monotonic.clone()))
            .transpose()?;
        Ok(Self(Arc::new(Inner {
            verify_counts: VerifyCounts::default(),
            proofs: ProofCache::of_matches(),
            mismatches: ProofCache::of_mismatches(),
            rows: Arc::new(Rows::new(settings.cache, settings.max_staleness, settings.monotonic.clone())),
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
                expiries.clone(),
            )?,
            expiries,
            rejections: RejectionLog::start(store.clone())?,
            prober: Prober::start(&store, readiness::CHECKS)?,
            audit_check_limit: Semaphore::of(1),
            // Half of the connections that a store has by default.
            summary_limit: Semaphore::of(4),
            shapes: Shapes::start(&store)?,
            store,
            prefixes: Prefixes::new(settings.prefix, settings.former_prefixes),
            dummy: StoredSecret { proof: Some(SecretProof::new([0; 32])), ..hasher.dummy().clone().into() },
            hasher,
            slow_hash: settings.slow_hash,
            rehash_imported: settings.rehash_imported,
            rules,
            retention: settings.retention,
            session: settings.session,
            usage: settings.usage,
            #[cfg(feature = "jwt")]
            sign_in: settings.sign_in,
            #[cfg(feature = "jwt")]
            oidc,
            cursor_key: MacKey::from_bytes(cursor_key),
        })))
    }

    /// The database of this installation.
    #[must_use]
    pub fn store(&self) -> Store {
        self.0.store.clone().into()
    }

    /// The prefix of new tokens.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        self.0.prefixes.current()
    }

    /// The rules for creating tokens.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.rules.policy
    }

    /// How long dead tokens stay listed before a cleanup removes them; `None` means forever.
    #[must_use]
    pub fn retention(&self) -> Option<Lifetime> {
        self.0.retention
    }

    /// The settings of the usage log.
    #[must_use]
    pub fn usage_settings(&self) -> UsageSettings {
        self.0.usage
    }

    /// The catalog of scopes and roles.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.0.rules.catalog
    }

    /// Runs all checks concurrently and returns within three seconds whatever the database does. Concurrent calls share
    /// one round. The future needs no runtime.
    pub async fn readiness(&self, now: UnixMillis) -> Readiness {
        self.0.prober.ask(now).await
    }

    /// Adds a check for all clones of this service. A check that hangs counts as failed.
    pub fn add_check(
        &self,
        name: &'static str,
        check: impl Fn(UnixMillis) -> Finding + Send + Sync + 'static,
    ) {
        self.0.prober.add(name, move |_, now| Ok(check(now)));
    }

    /// Whether `caller` could create a token of their own with this scope; for an operator, whether the catalog has the
    /// scope.
    #[must_use]
    pub fn can_grant(&self, caller: &Caller, scope: &Scope) -> bool {
        let catalog = &self.0.rules.catalog;
        if catalog.check_exclusive(&ScopeSet::from_iter([scope.clone()])).is_err() {
            return false;
        }
        let Some(user) = caller.user() else { return catalog.has_scope(scope) };
        let own = caller.effective();
        catalog.max_token_permissions(&user.role).can_delegate(scope)
            && own.is_none_or(|effective| effective.can_delegate(scope))
    }
}

/// Reads the key that seals cursors, which the first node creates, and checks that the pepper matches the database.
fn instance_key(tx: &mut Tx<'_>, fresh_key: [u8; 32], key_checks: &[String]) -> Result<[u8; 32], OpenError> {
    let mut row = instance::lock(tx)?;
    if let (Some(known), Some(_)) = (&row.hash_key_check, key_checks.first())
        && !key_checks.contains(known)
    {
        return Err(OpenError::WrongPepper);
    }
    let key = *row.cursor_key.get_or_insert(fresh_key);
    // The newest pepper is stored, so that the old one can be removed after a change of keys.
    row.hash_key_check = key_checks.first().cloned().or(row.hash_key_check);
    instance::update(tx, &row)?;
    Ok(key)
}
