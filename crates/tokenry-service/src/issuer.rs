//! The configured issuers of JWTs and how their claims map to users.

use std::sync::Arc;

use tokenry_crypto::JwtVerifier;
use tokenry_domain::Role;

use crate::key_refresh::KeyRefresh;

/// Whose JWTs are accepted, and which user each of them stands for.
#[derive(Clone)]
pub struct SignIn {
    /// Verifies them.
    pub verifier: Arc<JwtVerifier>,
    /// One for each issuer of the verifier.
    pub issuers: Vec<IssuerMapping>,
    /// Asked when a token names a key that is not known: its issuer may have new ones.
    pub key_refresh: Option<Arc<dyn KeyRefresh>>,
}

/// How the claims of one issuer become a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerMapping {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Put before `sub`, so that two issuers cannot speak of the same user unless that is meant.
    pub subject_prefix: String,
    /// The claim that holds the user's name; nested ones with dots between.
    pub name_claim: Option<String>,
    /// The claim that holds the user's role or roles. With it the issuer decides about roles, without it Tokenry.
    pub role_claim: Option<String>,
    /// What the values of the role claim are called here; without entries they are the names of roles.
    pub roles: Vec<(String, Role)>,
    /// The role of a new user, or of one whose claim names none; the least of the catalog if `None`.
    pub default_role: Option<Role>,
    /// Whether a user who was never seen is made; otherwise they are refused.
    pub creates_users: bool,
}
