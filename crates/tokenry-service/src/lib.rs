//! Use cases of personal access tokens, free of any web framework and runtime.
//!
//! [`Tokenry`] is the whole service: it issues, lists, updates and revokes tokens, and decides in
//! [`Tokenry::verify`] what a presented one may do. Time, source address and caller are arguments; the database is
//! read for each verification, so a revoked token is refused by the very next one, on every node.
//!
//! ```
//! use tokenry_service::{Call, Caller, Lifetime, NewToken, Policy, Settings, Store, StoreSettings, Tokenry, UnixMillis};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite://{}/tokens.db", folder.path().display());
//! let store = Store::open(&url.parse()?, StoreSettings::default())?;
//! store.migrate()?;
//! let tokenry = Tokenry::new(store, Settings::default())?;
//!
//! let now = UnixMillis::new(1_800_000_000_000).ok_or("a wrong clock")?;
//! let call = Call::new(Caller::operator(), now);
//! let owner = tokenry.find_or_create_user(&call, "alice", None)?;
//! let new = NewToken { name: "ci".into(), scopes: vec!["projects:read".into()], ..NewToken::default() };
//! let issued = tokenry.issue(&call, owner.id, new)?;
//!
//! let secret = issued.secret.reveal_once();
//! let verified = tokenry.verify_blocking(secret.as_bytes(), now, None)?;
//! assert!(verified.grants(&"projects:read".parse()?));
//! assert!(!verified.grants(&"projects:write".parse()?));
//!
//! tokenry.revoke(&call, issued.token.id, None)?;
//! assert!(tokenry.verify_blocking(secret.as_bytes(), now, None).is_err());
//! # Ok(())
//! # }
//! ```

pub mod account;
mod audit;
pub mod bootstrap;
pub mod caller;
mod cursor;
pub mod denial;
mod draft;
pub mod field;
pub mod find;
mod hash_pool;
pub mod issue;
mod last_used;
pub mod list;
pub mod revoke;
pub mod settings;
pub mod tokenry;
pub mod update;
pub mod user;
pub mod verify;

pub use tokenry_crypto::{
    HashSettings, Pepper, PlainToken, Prefix, Scheme, SecretRng, check_format, pattern,
};
pub use tokenry_domain::{
    Actor, Catalog, Description, Effective, Expiry, IpList, Lifetime, Limits, Lookup, Metadata, Origin,
    PageSize, Policy, Reason, Role, Scope, ScopeSet, Sort, Status, Subject, Token, TokenFilter, TokenId,
    TokenName, UnixMillis, User, UserId, UserName, time::ParseInstantError,
};
pub use tokenry_store::{DatabaseUrl, Store, StoreError, StoreSettings};

pub use crate::{
    account::Allowance,
    caller::{Call, Caller, Credential},
    denial::Denial,
    field::FieldError,
    find::FindError,
    issue::{IssueError, Issued, NewToken},
    list::{ListError, TokenPage},
    revoke::RevokeError,
    settings::Settings,
    tokenry::{OpenError, Tokenry},
    update::{Switch, TokenChanges, UpdateError},
    user::{NewUser, UserError},
    verify::{Rejection, VerifiedToken, VerifyError},
};
