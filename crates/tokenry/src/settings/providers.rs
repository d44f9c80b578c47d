//! `[[providers]]`: the OpenID providers at which people sign in with a browser.

use std::path::Path;

use tokenry_service::{Catalog, ClientAuth, ClientSecret, IssuerMapping, JwtAlgorithm, OidcProvider};
use zeroize::Zeroizing;

use super::{
    claim_mapping, issuer_keys,
    problem::Problem,
    section::{Section, Shape},
    value,
};
use crate::http_client;

const PROVIDERS: Shape = Shape::new(
    "[[providers]]",
    &[
        "id",
        "name",
        "issuer",
        "client_id",
        "client_secret_file",
        "client_auth",
        "scopes",
        "algorithm",
        "leeway",
        "sign_out",
        "subject_prefix",
        "name_claim",
        "role_claim",
        "roles",
        "default_role",
        "create_users",
    ],
);

/// The longest id and the longest name, in characters.
const MAX_ID: usize = 32;
const MAX_NAME: usize = 50;

/// Reads all providers of the file. Roles are not checked if the catalog itself is invalid (`None`). `issuers` are those of
/// JWTs.
pub(super) fn read(
    root: &mut Section<'_>,
    catalog: Option<&Catalog>,
    issuers: &[IssuerMapping],
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Vec<OidcProvider>> {
    let mut sections = root.sections("providers", PROVIDERS);
    let before = problems.len();
    let mut providers: Vec<OidcProvider> = Vec::new();
    for section in &mut sections {
        let Some(provider) = provider(section, catalog, directory) else { continue };
        if providers.iter().any(|earlier| earlier.id == provider.id) {
            section.reject("id", "is used twice");
        }
        let others = issuers.iter().chain(providers.iter().map(|earlier| &earlier.mapping));
        if others.into_iter().any(|other| overlaps(other, &provider.mapping)) {
            let what = "overlaps with that of another issuer or provider, so both could name the same user; use distinct \
                        prefixes such as \"a:\" and \"b:\"";
            section.reject("subject_prefix", what);
        }
        providers.push(provider);
    }
    let is_complete = providers.len() == sections.len();
    problems.extend(sections.into_iter().flat_map(Section::into_problems));
    (is_complete && problems.len() == before).then_some(providers)
}

/// Whether two different subjects of these sources could be the same user.
///
/// SECURITY: with the prefixes `a` and `ab`, a `sub` that begins with `b` would be a user of the other. The same issuer may
/// have the same prefix twice: its users sign in at it and present its JWTs.
fn overlaps(one: &IssuerMapping, other: &IssuerMapping) -> bool {
    let (first, second) = (one.subject_prefix.as_str(), other.subject_prefix.as_str());
    let is_same = one.issuer == other.issuer && first == second;
    !is_same && (first.starts_with(second) || second.starts_with(first))
}

/// Reads one provider; `None` if it has a fault.
fn provider(section: &mut Section<'_>, catalog: Option<&Catalog>, directory: &Path) -> Option<OidcProvider> {
    section.required("id");
    let id = section.parsed("id", id);
    section.required("name");
    let name = section.parsed("name", name);
    section.required("issuer");
    let issuer = section.parsed("issuer", issuer);
    section.required("client_id");
    let client_id = section.parsed("client_id", client_id);
    let secret = section.parsed("client_secret_file", |file| client_secret(file, directory));
    let client_auth = section.parsed("client_auth", client_auth);
    let scopes = section.texts("scopes");
    if scopes.iter().any(|scope| !is_scope(scope)) {
        section.reject("scopes", "must be visible ASCII without spaces, quotes and backslashes");
    }
    let algorithm = section.parsed("algorithm", algorithm);
    let leeway = section.parsed("leeway", |text| value::duration(text, claim_mapping::LEEWAY));
    let signs_out = !section.has("sign_out") || section.switch("sign_out");
    let default_prefix = id.as_ref().map(|id: &String| format!("{id}:")).unwrap_or_default();
    let mapping =
        claim_mapping::read(section, issuer.as_deref().unwrap_or_default(), catalog, &default_prefix);
    if !section.is_valid() {
        return None;
    }
    let mut provider = OidcProvider::new(id?, name?, client_id?, mapping);
    provider.client_secret = secret;
    provider.client_auth = client_auth.unwrap_or(provider.client_auth);
    provider.scopes = scopes.into_iter().filter(|scope| scope != "openid").collect();
    provider.algorithm = algorithm.unwrap_or(provider.algorithm);
    provider.leeway = leeway.unwrap_or(provider.leeway);
    provider.signs_out = signs_out;
    Some(provider)
}

/// It is part of URLs.
fn id(text: &str) -> Result<String, String> {
    let is_valid = (1..=MAX_ID).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.starts_with(|first: char| first.is_ascii_lowercase());
    if is_valid {
        return Ok(text.to_owned());
    }
    Err(format!("must be a lower-case letter and then letters, digits and -, at most {MAX_ID} in total"))
}

fn name(text: &str) -> Result<String, String> {
    let is_valid = (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err(format!("must have 1 to {MAX_NAME} characters on one line"))
    }
}

fn issuer(text: &str) -> Result<String, String> {
    http_client::parse(text)?;
    if text.contains(['?', '#']) {
        return Err("must be a URL without query and fragment".to_owned());
    }
    Ok(text.to_owned())
}

fn client_id(text: &str) -> Result<String, String> {
    let is_valid = (1..=255).contains(&text.len()) && text.bytes().all(|b| (0x20..=0x7e).contains(&b));
    if is_valid { Ok(text.to_owned()) } else { Err("must have 1 to 255 visible ASCII characters".to_owned()) }
}

fn client_secret(file: &str, directory: &Path) -> Result<ClientSecret, String> {
    let bytes = issuer_keys::secret(file, directory)?;
    let text = std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()));
    let secret = text.and_then(ClientSecret::parse);
    secret.ok_or_else(|| format!("{file} must have one line of visible ASCII characters"))
}

fn client_auth(text: &str) -> Result<ClientAuth, String> {
    let all = [ClientAuth::Basic, ClientAuth::Post];
    let found = all.into_iter().find(|auth| auth.as_str() == text);
    found.ok_or_else(|| "must be client_secret_basic or client_secret_post".to_owned())
}

fn algorithm(text: &str) -> Result<JwtAlgorithm, String> {
    match text.parse::<JwtAlgorithm>() {
        Ok(algorithm) if algorithm.is_symmetric() => {
            Err("must be an algorithm with public keys, such as RS256 or ES256".to_owned())
        }
        Ok(algorithm) => Ok(algorithm),
        Err(unknown) => Err(unknown.to_string()),
    }
}

/// RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
}
