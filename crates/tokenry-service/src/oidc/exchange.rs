//! Exchanges an authorization code for an ID token (RFC 6749, section 4.1.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use form_urlencoded::byte_serialize;
use serde_json::{Map, Value};
use tokenry_crypto::{ClientSecret, SignInSecret};
use zeroize::Zeroizing;

use super::{
    metadata::Metadata,
    provider::Provider,
    provider_error::ProviderError,
    settings::{ClientAuth, OidcProvider},
};

/// The longest text of a provider that the log quotes, in characters.
const MAX_QUOTED: usize = 200;

/// The ID token for this code.
pub(super) fn id_token(
    provider: &Provider,
    metadata: &Metadata,
    code: &str,
    secret: &SignInSecret,
    redirect_uri: &str,
) -> Result<Zeroizing<String>, ProviderError> {
    let settings = &provider.settings;
    let verifier = secret.code_verifier(&settings.id);
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier.as_str()),
    ];
    let mut authorization = None;
    match (&settings.client_secret, settings.client_auth) {
        (Some(client_secret), ClientAuth::Basic) => authorization = Some(basic(settings, client_secret)),
        (Some(client_secret), ClientAuth::Post) => {
            pairs.push(("client_id", &settings.client_id));
            pairs.push(("client_secret", client_secret.expose()));
        }
        (None, _) => pairs.push(("client_id", &settings.client_id)),
    }
    let form = form(&pairs);
    let (status, body) = provider
        .transport
        .post(&metadata.token_endpoint, form, authorization)
        .map_err(ProviderError::Unavailable)?;
    let body: Option<Map<String, Value>> = serde_json::from_str(&body).ok();
    match (status, body) {
        (200, Some(mut body)) => match body.remove("id_token") {
            Some(Value::String(id_token)) => Ok(Zeroizing::new(id_token)),
            _ => Err(ProviderError::BadAnswer("its token response has no ID token".to_owned())),
        },
        (500..=599, _) => Err(ProviderError::Unavailable(format!("its token endpoint answered {status}"))),
        (_, body) => {
            let error = body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str);
            let error = error.map(quoted).unwrap_or_default();
            Err(ProviderError::BadAnswer(format!("its token endpoint answered {status} {error}")))
        }
    }
}

/// `Authorization: Basic`; both parts are encoded like a form first (RFC 6749, section 2.3.1).
fn basic(settings: &OidcProvider, secret: &ClientSecret) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::new());
    pair.extend(byte_serialize(settings.client_id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.expose().as_bytes()));
    Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(pair.as_bytes()))))
}

fn form(pairs: &[(&str, &str)]) -> Zeroizing<String> {
    // Large enough that no copy of a secret remains where the text was before it grew.
    let length: usize = pairs.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut text = String::with_capacity(length);
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(byte_serialize(name.as_bytes()));
        text.push('=');
        text.extend(byte_serialize(value.as_bytes()));
    }
    Zeroizing::new(text)
}

/// A text of a provider for the log: bounded and escaped, so that it is one line.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(MAX_QUOTED).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerMapping;

    #[test]
    fn both_parts_of_basic_are_encoded_like_a_form() {
        let mapping = IssuerMapping::new("https://id.test");
        let settings = OidcProvider::new("a".to_owned(), "A".to_owned(), "to:ken ry".to_owned(), mapping);
        let secret = ClientSecret::parse(Zeroizing::new("a+b%:/".to_owned())).unwrap();
        let expected = STANDARD.encode("to%3Aken+ry:a%2Bb%25%3A%2F");
        assert_eq!(*basic(&settings, &secret), format!("Basic {expected}"));
        assert_eq!(*form(&[("code", "a b&c"), ("x", "")]), "code=a+b%26c&x=");
    }

    #[test]
    fn a_text_of_a_provider_is_one_bounded_line() {
        assert_eq!(quoted("a\n\u{1b}[31mb\""), r#""a\n\u{1b}[31mb\"""#);
        assert_eq!(quoted(&"x".repeat(5000)).len(), MAX_QUOTED + 2);
    }
}
