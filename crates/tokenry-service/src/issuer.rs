//! The configured issuers of JWTs and how their claims map to users.

use std::sync::Arc;

use tokenry_crypto::JwtVerifier;
use tokenry_domain::Role;

use crate::key_refresh::KeyRefresh;

/// Which JWTs are accepted, and how they map to users.
#[derive(Clone)]
pub struct SignIn {
    /// Verifies the JWTs.
    pub verifier: Arc<JwtVerifier>,
    /// One mapping for each issuer of the verifier.
    pub issuers: Vec<IssuerMapping>,
    /// Called when a JWT names an unknown key: its issuer may have new keys.
    pub key_refresh: Option<Arc<dyn KeyRefresh>>,
}

/// How the claims of one issuer map to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
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
