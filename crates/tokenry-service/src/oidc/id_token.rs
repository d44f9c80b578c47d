//! The rules for ID tokens beyond those for every JWT (OpenID Connect Core, section 3.1.3.7).

use tokenry_crypto::{JwtClaims, SignInSecret};

use super::settings::OidcProvider;

/// Checks that an ID token with a valid signature was issued to this client, for this sign-in.
pub(super) fn check(
    claims: &JwtClaims,
    provider: &OidcProvider,
    secret: &SignInSecret,
) -> Result<(), &'static str> {
    if claims.text("nonce") != Some(secret.nonce(&provider.id).as_str()) {
        return Err("wrong nonce");
    }
    let audiences = claims.texts("aud");
    let party = claims.texts_or_unreadable("azp");
    let is_party = party.as_deref() == Some(&[provider.client_id.as_str()]);
    let has_no_party = party.is_some_and(|party| party.is_empty());
    // An ID token for several clients must say to which of them it was issued.
    if !is_party && !(has_no_party && audiences.len() == 1) {
        return Err("issued to another client");
    }
    if claims.issued_at().is_none() {
        return Err("no iat");
    }
    Ok(())
}
