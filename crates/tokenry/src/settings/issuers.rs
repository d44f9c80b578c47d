//! `[[issuers]]`: whose JWTs are accepted, and which user each of them stands for.

use std::{ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use tokenry_service::{
    Catalog, IssuerMapping, JwtAlgorithm, JwtIssuer, JwtKeys, JwtSettingsError, JwtVerifier, Role, SignIn,
    Subject,
};

use super::{
    issuer_keys,
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
const USUAL_REFRESH: Duration = Duration::from_secs(3600);
const LEEWAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(5 * 60);
/// A year, as `humantime` counts.
const MAX_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(31_557_600);

/// Whose JWTs are accepted, and where their keys come from.
#[derive(Default)]
pub(super) struct Issuers {
    /// `None` without issuers.
    pub(super) sign_in: Option<SignIn>,
    /// The issuers whose keys are fetched.
    pub(super) key_sources: Vec<KeySource>,
}

/// One of them.
struct Issuer {
    rules: JwtIssuer,
    keys: JwtKeys,
    mapping: IssuerMapping,
    source: Option<KeySource>,
}

/// All issuers of the file. Without a catalog, because that is wrong itself, their roles are not looked up.
pub(super) fn read(
    root: &mut Section<'_>,
    catalog: Option<&Catalog>,
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Issuers> {
    let mut sections = root.sections("issuers", ISSUERS);
    let before = problems.len();
    let issuers: Vec<_> = sections.iter_mut().map(|section| issuer(section, catalog, directory)).collect();
    refuse_doubles(&mut sections);
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
    let verifier = JwtVerifier::new(verified).map_err(|error| root.refuse("issuers", &told(error).1)).ok()?;
    let sign_in = SignIn { verifier: Arc::new(verifier), issuers: mappings, key_refresh: None };
    Some(Issuers { sign_in: Some(sign_in), key_sources })
}

/// SECURITY: whoever has the prefix `a` can name the users of whoever has `ab`, by a `sub` that begins with `b`. So no
/// prefix may be the beginning of another, and least of all the same.
fn refuse_doubles(sections: &mut [Section<'_>]) {
    let names: Vec<_> = sections.iter().map(|section| section.get("issuer")).collect();
    let prefixes: Vec<_> = sections.iter().map(prefix_of).collect();
    let overlap = |one: Option<&str>, other: Option<&str>| match (one, other) {
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
        _ => false,
    };
    for (index, section) in sections.iter_mut().enumerate() {
        let (name, prefix) = (names.get(index).copied().flatten(), prefixes.get(index).copied().flatten());
        if name.is_some() && names.iter().take(index).any(|earlier| *earlier == name) {
            section.refuse("issuer", "is configured twice");
        }
        if prefixes.iter().take(index).any(|earlier| overlap(*earlier, prefix)) {
            let what = "both this issuer and an earlier one could speak of the same user; give each a prefix \
                        of its own, such as \"a:\" and \"b:\"";
            section.refuse("subject_prefix", what);
        }
    }
}

fn prefix_of<'f>(section: &Section<'f>) -> Option<&'f str> {
    if section.has("subject_prefix") { section.get("subject_prefix") } else { Some("") }
}

/// One issuer, unless something is wrong with it.
fn issuer(section: &mut Section<'_>, catalog: Option<&Catalog>, directory: &Path) -> Option<Issuer> {
    let name = section.required("issuer");
    let audiences = section.texts("audiences");
    section.required("algorithm");
    let algorithm = section
        .parsed("algorithm", |text| text.parse::<JwtAlgorithm>().map_err(|unknown| unknown.to_string()));
    let keys = issuer_keys::read(section, algorithm, directory);
    let refresh = section.parsed("refresh", |text| value::span(text, REFRESH));
    if section.has("refresh") && !section.has("jwks_url") {
        section.refuse("refresh", "is only for keys from a jwks_url");
    }
    let types = section.has("types").then(|| section.texts("types"));
    let leeway = section.parsed("leeway", |text| value::span(text, LEEWAY));
    let max_age = section.parsed("max_age", |text| value::span(text, MAX_AGE));
    let mapping = mapping(section, name.unwrap_or_default(), catalog);
    if !section.is_right() {
        return None;
    }
    let usual = JwtIssuer::new(name?.to_owned(), audiences, algorithm?);
    let rules = JwtIssuer {
        types: types.unwrap_or_else(|| usual.types.clone()),
        leeway: leeway.unwrap_or(usual.leeway),
        max_age,
        ..usual
    };
    let (keys, url) = keys?;
    // Alone first, so that the faults of every issuer are found.
    if let Err(error) = JwtVerifier::new(vec![(rules.clone(), issuer_keys::copy(&keys))]) {
        let (key, what) = told(error);
        section.refuse(key, &what);
        return None;
    }
    let source = url.map(|url| KeySource {
        issuer: rules.issuer.clone(),
        url: url.to_owned(),
        refresh: refresh.unwrap_or(USUAL_REFRESH),
    });
    Some(Issuer { rules, keys, mapping, source })
}

fn mapping(section: &mut Section<'_>, issuer: &str, catalog: Option<&Catalog>) -> IssuerMapping {
    let claim = |text: &str| match text {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    };
    let known = |text: &str| {
        let role = text.parse::<Role>().map_err(|error| error.to_string())?;
        match catalog {
            Some(catalog) if !catalog.has_role(&role) => {
                let roles: Vec<_> = catalog.roles().map(Role::as_str).collect();
                Err(format!("must be a role of the catalog: {}", roles.join(", ")))
            }
            _ => Ok(role),
        }
    };
    let prefix = section.parsed("subject_prefix", |text| match Subject::parse(format!("{text}x")) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("no subject could begin with it: {error}")),
    });
    let mapping = IssuerMapping {
        issuer: issuer.to_owned(),
        subject_prefix: prefix.unwrap_or_default(),
        name_claim: section.parsed("name_claim", claim),
        role_claim: section.parsed("role_claim", claim),
        roles: section.pairs("roles", known),
        default_role: section.parsed("default_role", known),
        creates_users: section.switch("create_users"),
    };
    if section.has("roles") && !section.has("role_claim") {
        section.refuse("roles", "needs role_claim, which names the claim that holds the values");
    }
    mapping
}

/// The key that an issuer was refused for, and what to change. The issuer's line says which one it is.
fn told(error: JwtSettingsError) -> (&'static str, String) {
    match error {
        JwtSettingsError::NoIssuer => ("issuer", "must not be empty".to_owned()),
        JwtSettingsError::Doubled(_) => ("issuer", "is configured twice".to_owned()),
        JwtSettingsError::Audience(_) => {
            ("audiences", "must hold at least one, and none may be empty".to_owned())
        }
        JwtSettingsError::NoType(_) => ("types", "must hold at least one".to_owned()),
        JwtSettingsError::Secret(_) => {
            let what =
                "is for HS256, HS384 and HS512; others have public keys, in a jwks_file or at a jwks_url";
            ("secret_file", what.to_owned())
        }
        JwtSettingsError::ShortSecret(_) => ("secret_file", "must hold at least 32 bytes".to_owned()),
        JwtSettingsError::Keys(_, why) => ("jwks_file", format!("cannot be used: {why}")),
        other => ("issuer", other.to_string()),
    }
}
