//! `[api]`, `[credentials]`, `[protected_resource]` and `[identity_headers]`: what clients and guarded systems of an existing product expect.

use tokenry_actix::{Credentials, FieldNames, FieldNamesError, IdentityHeaders, TokensApi, TokensPath};
use tokenry_service::{BasicForm, CredentialForms, ProtectedResource, ProtectedResourceError};

use super::{
    key::{self, Key},
    section::Section,
    source::Sources,
};

/// Paths where this program answers, now or in a later version, besides the API.
const RESERVED: &[&str] = &["/", "/assets/{path}", "/metrics", "/docs", "/.well-known/{path}"];

/// Path and names of the API of a user's own tokens. `names` are the pairs of `[api.fields]`, if they could be read.
pub(super) fn tokens(
    from: &mut Sources,
    names: Option<Vec<(String, String)>>,
    fields: &mut Section<'_>,
) -> Option<TokensApi> {
    let path =
        from.text(&key::TOKENS_PATH, |text| TokensPath::new(text, &reserved()).map_err(|e| e.to_string()));
    let as_text = from.text(&key::SCOPES_FORMAT, |text| match text {
        "list" => Ok(false),
        "text" => Ok(true),
        _ => Err("must be list or text".to_owned()),
    });
    let put_updates = from.switch(&key::PUT_UPDATES)?;
    let names = FieldNames::new(&names?, as_text?);
    let refused = |error: FieldNamesError| fields.reject(key::FIELDS, &error.to_string());
    Some(TokensApi { path: path?, fields: names.map_err(refused).ok()?, put_updates })
}

fn reserved() -> Vec<&'static str> {
    #[cfg(feature = "ui")]
    let pages = tokenry_ui::PATHS;
    #[cfg(not(feature = "ui"))]
    let pages: &[&str] = &[];
    RESERVED.iter().chain(pages).copied().collect()
}

/// The ways to present a token besides `Authorization: Bearer`.
pub(super) fn credentials(from: &mut Sources) -> Option<Credentials> {
    let basic = from.text(&key::BASIC, |text| match text {
        "off" => Ok(BasicForm::Off),
        "password" => Ok(BasicForm::Password),
        "username" => Ok(BasicForm::Username),
        "either" => Ok(BasicForm::Either),
        _ => Err("must be off, password, username or either".to_owned()),
    });
    let taken = other_headers(from);
    let forms = from.list(&key::CREDENTIAL_HEADERS, |names| {
        if let Some(name) = names.iter().find(|name| taken.contains(&name.to_ascii_lowercase())) {
            return Err(format!("{name} is the header of another setting"));
        }
        CredentialForms::default().with_headers(names).map_err(|error| error.to_string())
    });
    let (token_scheme, is_in_api) =
        (from.switch(&key::TOKEN_SCHEME)?, from.switch(&key::CREDENTIALS_IN_API)?);
    let credentials = Credentials::new(forms?.with_basic(basic?).with_token_scheme(token_scheme));
    Some(if is_in_api { credentials.with_api() } else { credentials })
}

/// The resource whose metadata challenges name, if there is one.
pub(super) fn protected_resource(from: &mut Sources) -> Option<Option<ProtectedResource>> {
    let url = from.text(&key::RESOURCE_URL, |text| Ok(text.to_owned()))?;
    let servers = from.list(&key::AUTHORIZATION_SERVERS, |texts| Ok(texts.to_vec()))?;
    let scopes = from.list(&key::RESOURCE_SCOPES, |texts| Ok(texts.to_vec()))?;
    if url.is_empty() && servers.is_empty() && scopes.is_empty() {
        return Some(None);
    }
    match ProtectedResource::new(url, servers, scopes) {
        Ok(resource) => Some(Some(resource)),
        Err(error) => {
            let key = match error {
                ProtectedResourceError::AuthorizationServers => &key::AUTHORIZATION_SERVERS,
                ProtectedResourceError::Scopes => &key::RESOURCE_SCOPES,
                _ => &key::RESOURCE_URL,
            };
            from.refuse_value(key, &error.to_string());
            None
        }
    }
}

/// The names of the headers of other settings, in lower case.
fn other_headers(from: &mut Sources) -> Vec<String> {
    let keys: [&'static Key; 6] = [
        &key::USER_HEADER,
        &key::SUBJECT_HEADER,
        &key::ROLE_HEADER,
        &key::SCOPES_HEADER,
        &key::TOKEN_ID_HEADER,
        &key::PROXY_USER_HEADER,
    ];
    keys.into_iter().filter_map(|key| from.text(key, |text| Ok(text.to_ascii_lowercase()))).collect()
}

/// The headers of forward-auth.
pub(super) fn identity_headers(from: &mut Sources) -> Option<IdentityHeaders> {
    let keys: [&'static Key; 5] = [
        &key::USER_HEADER,
        &key::SUBJECT_HEADER,
        &key::ROLE_HEADER,
        &key::SCOPES_HEADER,
        &key::TOKEN_ID_HEADER,
    ];
    let mut names = Vec::with_capacity(keys.len());
    for key in keys {
        names.push(from.text(key, |text| Ok(text.to_owned()))?);
    }
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    match IdentityHeaders::new(texts.try_into().ok()?) {
        Ok(headers) => Some(headers),
        Err((index, error)) => {
            from.refuse_value(keys.get(index)?, &error.to_string());
            None
        }
    }
}
