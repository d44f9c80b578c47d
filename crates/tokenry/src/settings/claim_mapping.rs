//! How the claims of an issuer or a provider map to users: the same keys in `[[issuers]]` and `[[providers]]`.

use std::{ops::RangeInclusive, time::Duration};

use tokenry_service::{Catalog, IssuerMapping, Role, Subject};

use super::section::Section;

/// The range of `leeway`, by which the clock of an issuer may differ.
pub(super) const LEEWAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(5 * 60);

/// Reads the keys of the mapping. Without `subject_prefix` the prefix is `default_prefix`.
pub(super) fn read(
    section: &mut Section<'_>,
    issuer: &str,
    catalog: Option<&Catalog>,
    default_prefix: &str,
) -> IssuerMapping {
    let claim = |text: &str| match text {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    };
    let known_role = |text: &str| {
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
        Err(error) => Err(format!("no valid subject begins with it: {error}")),
    });
    let mapping = IssuerMapping::new(issuer.to_owned())
        .with_subject_prefix(prefix.unwrap_or_else(|| default_prefix.to_owned()))
        .with_name_claim(section.parsed("name_claim", claim))
        .with_role_claim(section.parsed("role_claim", claim))
        .with_roles(section.pairs("roles", known_role))
        .with_default_role(section.parsed("default_role", known_role))
        .with_creates_users(section.switch("create_users"));
    if section.has("roles") && !section.has("role_claim") {
        section.reject("roles", "requires role_claim, which names the claim with the values");
    }
    mapping
}
