//! Use cases of personal access tokens, free of any web framework and runtime.
//!
//! [`Tokenry`] is the whole service: it issues, lists, updates and revokes tokens, and decides in
//! [`Tokenry::verify`] what a presented one may do. Time, source address and caller are arguments; the database is
//! read for each verification, so a revoked token is rejected by the very next one, on every node.
//!
//! ```
//! use tokenry_service::{NewToken, RequestContext, Settings, Store, StoreSettings, Tokenry, UnixMillis, unrestricted};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite://{}/tokens.db", folder.path().display());
//! let store = Store::open(&url.parse()?, StoreSettings::default())?;
//! store.migrate()?;
//! let tokenry = Tokenry::new(store, Settings::default())?;
//!
//! let now = UnixMillis::from_clock(std::time::SystemTime::now());
//! let context = RequestContext::new(unrestricted::operator(), now);
//! let owner = tokenry.find_or_create_user(&context, "alice", None)?;
//! let new = NewToken::new("ci").with_scopes(vec!["projects:read".to_owned()]);
//! let issued = tokenry.issue_token(&context, owner.id, new)?;
//!
//! let secret = issued.secret.reveal_once();
//! let verified = tokenry.verify_blocking(secret.as_bytes(), now, None)?;
//! assert!(verified.grants(&"projects:read".parse()?));
//! assert!(!verified.grants(&"projects:write".parse()?));
//!
//! tokenry.revoke_token(&context, issued.token.id, None)?;
//! assert!(tokenry.verify_blocking(secret.as_bytes(), now, None).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `testing`, the module `testing` opens such an installation for a test in one line, with a clock
//! that the test sets.

pub mod account;
mod audit;
pub mod audit_log;
pub mod bootstrap;
pub mod caller;
mod caller_lock;
pub mod cleanup;
pub mod client_ip;
pub mod clock;
mod close;
mod coalescer;
pub mod credential_error;
pub mod credential_forms;
pub mod denial;
pub mod field;
mod find;
pub mod form_encoding;
mod generated_secret;
#[cfg(feature = "github")]
pub mod github;
mod hash_queue;
pub mod import;
pub mod issue;
#[cfg(feature = "jwt")]
pub mod issuer;
#[cfg(any(feature = "github", feature = "jwt"))]
pub mod key_refresh;
pub mod leak;
pub mod list;
pub mod monotonic;
mod nodes;
mod observed_expiries;
#[cfg(feature = "jwt")]
pub mod oidc;
mod owner;
pub mod page;
pub mod patterns;
mod periodic;
pub mod policy_check;
pub mod presented;
pub mod protected_resource;
mod read_error;
pub mod readiness;
mod reapply;
mod rejections;
mod required;
mod revocation;
pub mod revoke;
pub mod rotate;
mod rules;
mod search;
mod semaphore;
pub mod session;
pub mod settings;
pub mod settings_check;
mod shapes;
#[cfg(feature = "jwt")]
pub mod sign_in;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod token_difference;
pub mod token_events;
pub mod tokenry;
pub mod unrestricted;
mod unwritten;
pub mod update;
pub mod usage;
pub mod user;
mod validated_request;
pub mod verified;
pub mod verify;
mod worker_pool;

#[cfg(feature = "jwt")]
pub use tokenry_crypto::{
    ClientSecret, JwtAlgorithm, JwtError, JwtIssuer, JwtKeys, JwtKeysError, JwtSettingsError, JwtVerifier,
    SignInSecret, UnknownJwtAlgorithm,
};
pub use tokenry_crypto::{
    HashSettings, Pepper, PlainToken, Prefix, Prefixes, Scheme, SecretRng, SessionSecret, Shape, ShapeError,
    TokenPattern, check_format, presented_line,
};
#[cfg(feature = "github")]
pub use tokenry_crypto::{ReportKeys, ReportKeysError};
pub use tokenry_domain::{
    Actor, AuditEvent, Bucket, Catalog, ClientInfo, Description, EffectivePermissions, EventKind, Expiry,
    ExpiryCutoffs, IpList, Lifetime, Limits, Metadata, PageSize, Policy, PublicId, Reason, ReusePolicy, Risk,
    Role, RouteDecision, Scope, ScopeSet, Session, SessionId, SessionProof, Sort, SortKey, Status, Subject,
    Token, TokenFilter, TokenId, TokenName, UnixMillis, UsageCount, UsageKey, User, UserId, UserName,
    catalog,
    text::TextError,
    time::{InstantOutOfRange, ParseInstantError},
    usage::BucketError,
};
pub use tokenry_store::{
    DatabaseUrl, StoreError, StoreSettings, UrlError,
    audit::{AuditEntry, AuditFilter},
    grants,
    history::{JournalState, LossReport},
    migrate::MigrationStatus,
    nodes::{Node, NodeState, Nodes},
    replication::Replication,
    rights::RoleRights,
    supervisor,
    usage::summary::{AddressCount, HourCount, RouteCount},
};

#[cfg(feature = "github")]
pub use crate::github::{GITHUB, GithubReports};
#[cfg(feature = "jwt")]
pub use crate::issuer::{IssuerMapping, SignIn};
#[cfg(any(feature = "github", feature = "jwt"))]
pub use crate::key_refresh::{KeyArrival, KeyRefresh, KeyRefreshStatus};
#[cfg(feature = "jwt")]
pub use crate::oidc::{
    AuthorizationResponse, BeginError, ClientAuth, OidcError, OidcProvider, OidcSettings, OidcTransport,
    ProviderError, PublicUrl, PublicUrlError, SignInStart,
};
pub use crate::{
    account::LimitStatus,
    audit_log::{AuditCheck, AuditError, AuditPage, ChainFault},
    caller::{Caller, CredentialKind, RequestContext},
    cleanup::{CleanupError, CleanupReport},
    clock::ClockFault,
    credential_error::{CredentialError, Offers},
    credential_forms::{BasicForm, CredentialForms, HeaderNameError},
    denial::Denial,
    field::FieldError,
    import::{ImportError, ImportPlan, ImportReport, ImportRow, ImportSettings, RefusedRow},
    issue::{IssueError, Issued, NewToken},
    leak::{LEAKED, LeakReport, LeakReporter, LeakVerdict, Leaks},
    list::{PageQuery, TokenPage},
    monotonic::Monotonic,
    page::{CountedPage, Page},
    patterns::{PatternFormat, UnknownPatternFormat},
    policy_check::PolicyImpact,
    protected_resource::{ProtectedResource, ProtectedResourceError},
    read_error::ReadError,
    readiness::{Check, CheckState, Finding, Readiness},
    revoke::RevokeError,
    rotate::{RotateError, Rotated, Rotation},
    session::start::{SessionError, Started},
    settings::{SessionSettings, Settings, SlowHash, UnknownSlowHash, UsageSettings},
    settings_check::{SettingsOutline, SettingsReport},
    store::Store,
    token_events::{TokenEvent, TokenEventPage},
    tokenry::{OpenError, Tokenry},
    unwritten::Unwritten,
    update::{Activation, TokenChanges, UpdateError},
    usage::{
        UsageEvent, UsedToken,
        log::{ParseUsageLimitError, UsageLimit, UsagePage, UsageQuery},
        summary::{SummaryError, SummaryQuery, UsageSummary},
    },
    user::{NewUser, UserError, UserPage, change::UserChanges},
    verified::{Rejection, VerifiedToken, VerifyError},
    verify::by_secret::{IdentifiedSecret, SecretState},
};
