//! `[[issuers]]`: the issuers of accepted JWTs and how their claims map to users.

use std::{ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use tokenry_service::{
    Catalog, IssuerMapping, JwtAlgorithm, JwtIssuer, JwtKeys, JwtSettingsError, JwtVerifier, SignIn,
};

use super::{
    claim_mapping, issuer_keys,
    problem::Problem,
    section::{Section, Shape},
    value,
};
use crate::jwks_refresher::KeySource;

const ISSUERS: Shape = Shape::new(
    "[[issuers]]",
    &[
        "issuer",
        "audiences",
        "algorithm",
        "secret_file",
        "jwks_file",
        "jwks_url",
        "refresh",
        "types",
        "leeway",
        "max_age",
        "subject_prefix",
        "name_claim",
        "role_claim",
        "roles",
        "default_role",
        "create_users",
    ],
);

const REFRESH: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
const DEFAULT_REFRESH: Duration = Duration::from_secs(3600);
/// The upper bound is one year of `humantime`.
const MAX_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(31_557_600);

/// All configured issuers.
#[derive(Default)]
pub(super) struct Issuers {
    /// `None` without issuers.
    pub(super) sign_in: Option<SignIn>,
    /// The issuers whose keys are fetched from a URL.
    pub(super) key_sources: Vec<KeySource>,
}

/// One configured issuer.
struct Issuer {
    rules: JwtIssuer,
    keys: JwtKeys,
    mapping: IssuerMapping,
    source: Option<KeySource>,
}

/// Reads all issuers of the file. Roles are not checked if the catalog itself is invalid (`None`).
pub(super) fn read(
    root: &mut Section<'_>,
    catalog: Option<&Catalog>,
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Issuers> {
    let mut sections = root.sections("issuers", ISSUERS);
    let before = problems.len();
    let issuers: Vec<_> = sections.iter_mut().map(|section| issuer(section, catalog, directory)).collect();
    reject_overlaps(&mut sections);
    problems.extend(sections.into_iter().flat_map(Section::into_problems));
    let issuers = issuers.into_iter().collect::<Option<Vec<_>>>().filter(|_| problems.len() == before)?;
    if issuers.is_empty() {
        return Some(Issuers::default());
    }
    let (mut verified, mut mappings, mut key_sources) = (Vec::new(), Vec::new(), Vec::new());
    for issuer in issuers {
        verified.push((issuer.rules, issuer.keys));
        mappings.push(issuer.mapping);
        key_sources.extend(issuer.source);
    }
    let verifier =
        JwtVerifier::new(verified).map_err(|error| root.reject("issuers", &fault(error).1)).ok()?;
    let sign_in = SignIn::new(Arc::new(verifier), mappings);
    Some(Issuers { sign_in: Some(sign_in), key_sources })
}

/// Rejects duplicate issuers and overlapping subject prefixes.
///
/// SECURITY: an issuer with the prefix `a` could name the users of an issuer with `ab` by a `sub` that begins with `b`.
/// No prefix may therefore be equal to another or the beginning of another.
fn reject_overlaps(sections: &mut [Section<'_>]) {
    let names: Vec<_> = sections.iter().map(|section| section.get("issuer")).collect();
    let prefixes: Vec<_> = sections.iter().map(prefix_of).collect();
    let overlap = |one: Option<&str>, other: Option<&str>| match (one, other) {
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
        _ => false,
    };
    for (index, section) in sections.iter_mut().enumerate() {
        let (name, prefix) = (names.get(index).copied().flatten(), prefixes.get(index).copied().flatten());
        if name.is_some() && names.iter().take(index).any(|earlier| *earlier == name) {
            section.reject("issuer", "is configured twice");
        }
        if prefixes.iter().take(index).any(|earlier| overlap(*earlier, prefix)) {
            let what = "overlaps with that of an earlier issuer, so both could name the same user; use distinct \
            prefixes such as \"a:\" and \"b:\"";
            section.reject("subject_prefix", what);
        }
    }
}

fn prefix_of<'f>(section: &Section<'f>) -> Option<&'f str> {
    if section.has("subject_prefix") { section.get("subject_prefix") } else { Some("") }
}

/// Reads one issuer; `None` if it has a fault.
fn issuer(section: &mut Section<'_>, catalog: Option<&Catalog>, directory: &Path) -> Option<Issuer> {
    let name = section.required("issuer");
    let audiences = section.texts("audiences");
    section.required("algorithm");
    let algorithm = section
        .parsed("algorithm", |text| text.parse::<JwtAlgorithm>().map_err(|unknown| unknown.to_string()));
    let keys = issuer_keys::read(section, algorithm, directory);
    let refresh = section.parsed("refresh", |text| value::duration(text, REFRESH));
    if section.has("refresh") && !section.has("jwks_url") {
        section.reject("refresh", "applies only to keys from a jwks_url");
    }
    let types = section.has("types").then(|| section.texts("types"));
    let leeway = section.parsed("leeway", |text| value::duration(text, claim_mapping::LEEWAY));
    let max_age = section.parsed("max_age", |text| value::duration(text, MAX_AGE));
    let mapping = claim_mapping::read(section, name.unwrap_or_default(), catalog, "");
    if !section.is_valid() {
        return None;
    }
    let mut rules = JwtIssuer::new(name?.to_owned(), audiences, algorithm?).with_max_age(max_age);
    rules.types = types.unwrap_or(rules.types);
    rules.leeway = leeway.unwrap_or(rules.leeway);
    let (keys, url) = keys?;
    // Each issuer is verified alone first, so that the faults of all issuers are found.
    if let Err(error) = JwtVerifier::new(vec![(rules.clone(), issuer_keys::copy(&keys))]) {
        let (key, what) = fault(error);
        section.reject(key, &what);
        return None;
    }
    let source = url.map(|url| KeySource {
        issuer: rules.issuer.clone(),
        url: url.to_owned(),
        refresh: refresh.unwrap_or(DEFAULT_REFRESH),
        min_forced: KeySource::MIN_FORCED,
    });
    Some(Issuer { rules, keys, mapping, source })
}

/// The key at fault and what to change. The line of the message identifies the issuer.
fn fault(error: JwtSettingsError) -> (&'static str, String) {
    match error {
        JwtSettingsError::NoIssuer => ("issuer", "must not be empty".to_owned()),
        JwtSettingsError::Duplicate(_) => ("issuer", "is configured twice".to_owned()),
        JwtSettingsError::Audience(_) => {
            ("audiences", "must contain at least one entry and no empty ones".to_owned())
        }
        JwtSettingsError::NoType(_) => ("types", "must contain at least one entry".to_owned()),
        JwtSettingsError::Secret(_) => {
            let what = "is for HS256, HS384 and HS512; other algorithms use public keys from a jwks_file or a jwks_url";
            ("secret_file", what.to_owned())
        }
        JwtSettingsError::ShortSecret(_) => ("secret_file", "must contain at least 32 bytes".to_owned()),
        JwtSettingsError::Keys(_, why) => ("jwks_file", format!("cannot be used: {why}")),
        other => ("issuer", other.to_string()),
    }
}
