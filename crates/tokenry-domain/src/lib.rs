//! Pure types and rules of personal access tokens.
//!
//! The crate has values and decisions about values: no I/O, no clock, no randomness. Rules get the current instant and
//! random bytes as arguments.

pub mod actor;
pub mod catalog;
pub mod cutoffs;
pub mod event;
pub mod grant;
pub mod hash;
pub mod id;
pub mod ip;
pub mod metadata;
pub mod policy;
pub mod query;
pub mod risk;
pub mod role;
pub mod scope;
pub mod session;
mod setters;
pub mod status;
pub mod text;
pub mod time;
pub mod token;
pub mod usage;
pub mod user;

pub use crate::{
    actor::Actor,
    catalog::{Catalog, EffectivePermissions, RouteDecision},
    cutoffs::{ExpiryCutoffs, MaxLifetimes},
    event::{AuditEvent, ClientInfo, EventKind},
    grant::{Grant, GrantError},
    hash::{SecretCheck, SecretHash, SecretProof},
    id::{ImportId, SessionId, TokenId, UserId},
    ip::IpList,
    metadata::Metadata,
    policy::{Expiry, Limits, Policy, ReusePolicy},
    query::{Page, PageSize, PageStart, Sort, SortKey, TokenFilter},
    risk::Risk,
    role::Role,
    scope::{Scope, ScopeSet},
    session::{Session, SessionDigest, SessionEnd, SessionProof},
    status::Status,
    text::{Description, Reason, Subject, TokenName, UserName},
    time::{Lifetime, UnixMillis},
    token::{PublicId, Revocation, Token},
    usage::{Bucket, UsageCount, UsageKey},
    user::User,
};
