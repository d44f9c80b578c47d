//! Imports tokens that another system issued, so that they keep working.
//!
//! An import is all or nothing: every row is checked before the first one is stored, the tokens are stored as inactive in
//! short transactions, and one change of the run's row activates all of them. An interrupted import is resumed by the same
//! rows.

mod existing;
mod order;
mod row;
mod run;

use std::collections::{HashMap, HashSet};

use thiserror::Error;
use tokenry_crypto::{GENESIS, RngError, SecretRng, Shape, chain_digest};
use tokenry_domain::{Subject, Token, TokenId, UnixMillis, User, UserId};
use tokenry_store::{StoreError, StoredSecret};

pub use self::row::ImportRow;
use crate::{
    caller::{CredentialKind, RequestContext},
    denial::Denial,
    required::admin_write,
    tokenry::Tokenry,
    user::new_user,
};

/// How rows are imported.
#[derive(Debug, Clone, Default)]
pub struct ImportSettings {
    /// The name of the other system, 1 to 64 letters, digits, `-`, `_` and `.`: a row is imported once for each source
    /// and id.
    pub source: String,
    /// The shape of tokens whose row names none.
    pub shape: Option<Shape>,
    /// Whether owners that do not exist are created, with the lowest role.
    pub create_users: bool,
    /// The scopes that replace a scope of the other system.
    pub scope_map: HashMap<String, Vec<String>>,
}

/// A row that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its id, as far as it could be read.
    pub id: String,
    /// Why; never quotes a hash.
    pub reason: String,
}

/// Rows that were checked and can be imported.
pub struct ImportPlan {
    source: String,
    digest: [u8; 32],
    rows: Vec<PlannedRow>,
    owners: HashMap<Subject, PlannedOwner>,
    shapes: Vec<Shape>,
    refused: Vec<RefusedRow>,
    already_imported: u64,
    ended: u64,
    expired: u64,
}

struct PlannedRow {
    source_id: String,
    owner: Subject,
    /// With the id that the owner has or will have, once the owners were looked up.
    token: Token,
    /// When the row says that it was created: the default differs in each run of the same file.
    given_creation: Option<UnixMillis>,
    secret: StoredSecret,
    is_active: bool,
    line: u64,
}

enum PlannedOwner {
    Existing(UserId),
    New(Box<User>),
}

impl PlannedOwner {
    fn id(&self) -> UserId {
        match self {
            Self::Existing(id) => *id,
            Self::New(user) => user.id,
        }
    }
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The tokens that were stored and activated, including those of an interrupted run that this one resumed.
    pub imported: u64,
    /// The users that were created.
    pub created_users: u64,
}

/// Why an import stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The caller is not an operator.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The name of the source is invalid.
    #[error("the source must be 1 to 64 letters, digits, `-`, `_` and `.`")]
    Source,
    /// Another import of this source runs at the same time, or changed the same rows meanwhile.
    #[error("another import of this source runs, or a row was changed meanwhile")]
    Concurrent,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database failed; nothing was activated, and the same rows resume the import.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Concurrent,
            error => Self::Store(error),
        }
    }
}

impl ImportPlan {
    /// The rows that cannot be imported.
    #[must_use]
    pub fn refused(&self) -> &[RefusedRow] {
        &self.refused
    }

    /// How many rows will become tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        to_u64(self.rows.len())
    }

    /// How many rows were imported before, whatever became of their tokens.
    #[must_use]
    pub fn already_imported(&self) -> u64 {
        self.already_imported
    }

    /// How many rows were left out, because their tokens were revoked or have expired in the other system.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// How many of the new tokens the policy calls expired already.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// How many owners will be created.
    #[must_use]
    pub fn new_users(&self) -> u64 {
        to_u64(self.owners.values().filter(|owner| matches!(owner, PlannedOwner::New(_))).count())
    }

    /// Puts the rows into the order in which they are stored, and gives their own ids the same order.
    fn sort_rows(&mut self) {
        let mut ids: Vec<TokenId> = self.rows.iter().map(|row| row.token.id).collect();
        ids.sort_unstable();
        self.rows = order::sorted(std::mem::take(&mut self.rows));
        for (row, id) in self.rows.iter_mut().zip(ids) {
            row.token.id = id;
        }
    }
}

impl Tokenry {
    /// Checks all rows against the settings, the catalog and the database, and changes nothing. The limits of live tokens
    /// and of creations do not apply to imported tokens, but these count against them afterwards.
    ///
    /// # Errors
    /// [`ImportError`]; a row that cannot be imported is no error, but one of [`ImportPlan::refused`].
    pub fn plan_import(
        &self,
        context: &RequestContext,
        settings: &ImportSettings,
        rows: impl IntoIterator<Item = Result<ImportRow, RefusedRow>>,
    ) -> Result<ImportPlan, ImportError> {
        require_operator(context)?;
        let is_named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let source = settings.source.as_str();
        if !(1..=64).contains(&source.len()) || !source.bytes().all(is_named) {
            return Err(ImportError::Source);
        }
        let mut checker = row::Checker::new(self, context, settings);
        let (mut planned, mut refused, mut rng) = (Vec::new(), Vec::new(), SecretRng::os());
        let (mut digest, mut ended) = (GENESIS, 0);
        let (mut ids, mut public_ids) = (HashSet::new(), HashSet::new());
        for row in rows {
            let row = match row {
                Ok(row) => row,
                Err(unreadable) => {
                    refused.push(unreadable);
                    continue;
                }
            };
            let (line, id) = (row.line, row.id.clone());
            let rejected = |reason: String| RefusedRow { line, id: shortened(&id), reason };
            // SECURITY: nothing is stored that could be activated later.
            if row.ended {
                ended += 1;
                if !ids.insert(id.clone()) {
                    refused.push(rejected("id: is in the file twice".to_owned()));
                }
                continue;
            }
            match checker.check(row, TokenId::new(context.now, rng.bytes()?)) {
                Err(reason) => refused.push(rejected(reason)),
                Ok(row) if !ids.insert(row.source_id.clone()) => {
                    refused.push(rejected("id: is in the file twice".to_owned()));
                }
                Ok(row) if !public_ids.insert(row.token.public_id.clone()) => {
                    refused.push(rejected("lookup: another row of the file has the same one".to_owned()));
                }
                Ok(row) => {
                    digest = chain_digest(&digest, &row.canonical());
                    planned.push(row);
                }
            }
        }
        let mut plan = ImportPlan {
            source: source.to_owned(),
            digest,
            rows: planned,
            owners: HashMap::new(),
            shapes: checker.shapes(),
            refused,
            already_imported: 0,
            ended,
            expired: 0,
        };
        plan.leave_out_existing(self)?;
        plan.find_owners(self, context, settings, &mut rng)?;
        let cutoffs = self.0.rules.cutoffs(context.now);
        plan.expired = to_u64(plan.rows.iter().filter(|row| cutoffs.is_expired(&row.token)).count());
        plan.refused.sort_by_key(|row| row.line);
        plan.sort_rows();
        Ok(plan)
    }
}

impl PlannedRow {
    /// What identifies the row of the file, so that only the same file resumes an import.
    fn canonical(&self) -> Vec<u8> {
        let Token { name, scopes, not_before, expires_at, allowed_ips, .. } = &self.token;
        let time = |at: Option<UnixMillis>| at.map_or_else(String::new, |at| at.get().to_string());
        [
            self.source_id.as_str(),
            self.owner.as_str(),
            self.token.public_id.as_str(),
            self.secret.hash.as_str(),
            name.as_str(),
            &scopes.to_texts().join(" "),
            &time(*not_before),
            &time(*expires_at),
            &allowed_ips.to_texts().join(" "),
            &time(self.given_creation),
            if self.is_active { "1" } else { "0" },
        ]
        .join("\0")
        .into_bytes()
    }
}

fn require_operator(context: &RequestContext) -> Result<(), Denial> {
    if context.caller.credential() == CredentialKind::Operator {
        Ok(())
    } else {
        Err(Denial::missing(&admin_write()))
    }
}

fn planned_user(
    tokenry: &Tokenry,
    subject: &Subject,
    now: UnixMillis,
    rng: &mut SecretRng,
) -> Result<PlannedOwner, ImportError> {
    let name: String = subject.as_str().chars().take(tokenry_domain::UserName::MAX).collect();
    let name = tokenry_domain::UserName::from_stored(name);
    let role = tokenry.0.rules.catalog.default_role();
    let mut user = new_user(UserId::new(now, rng.bytes()?), subject.clone(), name, role, now);
    // Claims that were issued before do not apply.
    user.claims_after = Some(now);
    Ok(PlannedOwner::New(Box::new(user)))
}

/// A word of a row, for a report. One that may be a hash in the wrong column is not quoted.
fn quoted(word: &str) -> String {
    if word.len() > 64 || word.contains('$') {
        return format!("a word of {} bytes", word.len());
    }
    format!("{:?}", shortened(word))
}

/// The first characters of an id, for a report.
fn shortened(id: &str) -> String {
    tokenry_domain::text::sanitize_line(id, 100).into_owned()
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
