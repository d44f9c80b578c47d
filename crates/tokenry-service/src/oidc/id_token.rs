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
    let is_ours = match party.as_deref() {
        // An ID token for several clients must say to which of them it was issued.
        Some([]) => audiences.len() == 1,
        Some([party]) => *party == provider.client_id,
        _ => false,
    };
    if !is_ours {
        return Err("issued to another client");
    }
    if claims.issued_at().is_none() {
        return Err("no iat");
    }
    Ok(())
}
