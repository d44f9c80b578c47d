//! JWTs of a test issuer.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokenry_actix::tokenry::{IssuerMapping, JwtAlgorithm, JwtIssuer, JwtKeys, JwtVerifier, SignIn};

pub(crate) const SECRET: &[u8] = b"a secret that only the tests know";
const ISSUER: &str = "https://id.example.com";

/// Accepts the JWTs of [`signed`]; the claim `role` determines the role.
pub(crate) fn sign_in() -> SignIn {
    let issuer = JwtIssuer::new(ISSUER.to_owned(), vec!["tokenry".to_owned()], JwtAlgorithm::Hs256);
    let keys = JwtKeys::Secret(SECRET.to_vec().into());
    SignIn::new(
        Arc::new(JwtVerifier::new(vec![(issuer, keys)]).unwrap()),
        vec![
            IssuerMapping::new(ISSUER.to_owned())
                .with_name_claim("name".to_owned())
                .with_role_claim("role".to_owned())
                .with_creates_users(true),
        ],
    )
}

/// The claims of a valid JWT, issued now.
pub(crate) fn claims(subject: &str, role: &str) -> Value {
    let now = tokenry_actix::clock::now().seconds();
    json!({"iss": ISSUER, "aud": "tokenry", "sub": subject, "role": role, "iat": now, "exp": now + 300})
}

pub(crate) fn signed(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// A valid JWT.
pub(crate) fn of(subject: &str, role: &str) -> String {
    signed(&claims(subject, role))
}
