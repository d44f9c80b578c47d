//! The configured issuers of JWTs and how their claims map to users.

use std::sync::Arc;

use tokenry_crypto::JwtVerifier;
use tokenry_domain::{Role, optional_setters, setters};

use crate::key_refresh::KeyRefresh;

/// Which JWTs are accepted, and how they map to users.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignIn {
    /// Verifies the JWTs.
    pub verifier: Arc<JwtVerifier>,
    /// One mapping for each issuer of the verifier.
    pub issuers: Vec<IssuerMapping>,
    /// Called when a JWT names an unknown key: its issuer may have new keys.
    pub key_refresh: Option<Arc<dyn KeyRefresh>>,
}

impl SignIn {
    /// Accepts the JWTs of these issuers, whose keys are never fetched on demand.
    #[must_use]
    pub fn new(verifier: Arc<JwtVerifier>, issuers: Vec<IssuerMapping>) -> Self {
        Self { verifier, issuers, key_refresh: None }
    }

    /// Sets `key_refresh`.
    #[must_use]
    pub fn with_key_refresh(mut self, key_refresh: Arc<dyn KeyRefresh>) -> Self {
        self.key_refresh = Some(key_refresh);
        self
    }
}

/// How the claims of one issuer map to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerMapping {
    /// The `iss` claim of its JWTs.
    pub issuer: String,
    /// Prepended to `sub`, so that two issuers map to the same user only if configured so.
    pub subject_prefix: String,
    /// The claim with the user's name; dots separate nested names.
    pub name_claim: Option<String>,
    /// The claim with the user's role or roles. If set, the issuer decides about roles, otherwise Tokenry does.
    pub role_claim: Option<String>,
    /// Maps values of the role claim to roles; if empty, the values are role names.
    pub roles: Vec<(String, Role)>,
    /// The role of a new user, or of one whose claim names none. `None` is the lowest role of the catalog.
    pub default_role: Option<Role>,
    /// Whether an unknown user is created; otherwise they are rejected.
    pub creates_users: bool,
}

impl IssuerMapping {
    /// Maps the `sub` of this issuer to the subject of a user who exists, and nothing else.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            subject_prefix: String::new(),
            name_claim: None,
            role_claim: None,
            roles: Vec::new(),
            default_role: None,
            creates_users: false,
        }
    }

    setters! {
        with_issuer(issuer: String),
        with_subject_prefix(subject_prefix: String),
        with_roles(roles: Vec<(String, Role)>),
        with_creates_users(creates_users: bool),
    }

    optional_setters! {
        with_name_claim(name_claim: String),
        with_role_claim(role_claim: String),
        with_default_role(default_role: Role),
    }
}
