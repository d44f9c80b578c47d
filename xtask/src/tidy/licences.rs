//! Every dependency may be used by someone who takes Tokenry under MIT or Apache-2.0.
//!
//! The list is the same as in `.deny.toml`, and a test compares them.

use anyhow::Result;

use super::Failure;
use super::spdx::is_satisfied;
use super::tree::Tree;
use crate::metadata;

/// Licences that ask for no more than a notice, or only for changes to their own files (MPL-2.0).
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "PostgreSQL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// One crate, one more licence. The layers keep actix-governor optional.
const EXCEPTIONS: &[(&str, &str)] = &[("actix-governor", "GPL-3.0-or-later")];

pub(super) fn check(_tree: &Tree) -> Result<Vec<Failure>> {
    let packages = metadata::all_packages()?;
    let failures = packages.iter().filter_map(|package| {
        let problem = problem(&package.name, package.license.as_deref())?;
        let place = format!("{} {}", package.name, package.version);
        Some(Failure::new(place, problem, "use another crate, or extend the list here and in .deny.toml"))
    });
    Ok(failures.collect())
}

fn problem(name: &str, licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else { return Some("states no licence".to_owned()) };
    let is_allowed = |one: &str| ALLOWED.contains(&one) || EXCEPTIONS.contains(&(name, one));
    match is_satisfied(licence, &is_allowed) {
        Ok(true) => None,
        Ok(false) => Some(format!("has the licence `{licence}`, which is not allowed")),
        Err(err) => Some(format!("has the licence `{licence}`: {err}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dependency_has_an_allowed_licence() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn an_exception_holds_for_its_crate_alone() {
        assert!(problem("serde", Some("MIT OR Apache-2.0")).is_none());
        assert!(problem("actix-governor", Some("GPL-3.0-or-later")).is_none());
        assert!(problem("serde", Some("GPL-3.0-or-later")).is_some());
        assert!(problem("serde", None).is_some());
    }

    #[test]
    fn cargo_deny_has_the_same_list() {
        let text = std::fs::read_to_string(crate::workspace::root().join(".deny.toml")).unwrap();
        let (_, list) = text.split_once("\nallow = [").unwrap();
        let (list, _) = list.split_once(']').unwrap();
        let listed: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(listed, ALLOWED);
    }
}
