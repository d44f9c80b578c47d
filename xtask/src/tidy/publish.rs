//! Every library crate and the binary can be published on crates.io; the tools and the testkit are not.

use anyhow::Result;

use super::Failure;
use super::tree::Tree;
use crate::metadata::{Dependency, Package};

/// The crates that have `publish = false`.
const UNPUBLISHED: &[&str] = &["tokenry-testkit", "tokenry-bench", "xtask"];

/// Limits of crates.io for keywords and categories of a crate, and for the length of a keyword.
const MAX_KEYWORDS: usize = 5;
const MAX_CATEGORIES: usize = 5;
const MAX_KEYWORD_LENGTH: usize = 20;

/// The slugs of <https://crates.io/category_slugs> that fit this project; crates.io drops unknown ones silently.
const CATEGORIES: &[&str] = &[
    "authentication",
    "command-line-utilities",
    "cryptography",
    "data-structures",
    "database",
    "web-programming",
    "web-programming::http-server",
];

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let failures = tree.packages.iter().flat_map(|package| {
        let manifest = tree.relative(&package.manifest_path);
        problems(package).into_iter().map(move |(problem, fix)| Failure::new(manifest.as_str(), problem, fix))
    });
    Ok(failures.collect())
}

/// Each violation and its fix.
fn problems(package: &Package) -> Vec<(String, &'static str)> {
    if UNPUBLISHED.contains(&package.name.as_str()) {
        let is_wrong = package.is_published();
        return is_wrong.then(|| ("is published".to_owned(), "set `publish = false`")).into_iter().collect();
    }
    let mut problems = Vec::new();
    if !package.is_published() {
        problems.push(("is not published".to_owned(), "remove `publish`, or list it in tidy/publish.rs"));
    }
    let fields = [
        ("description", package.description.is_some()),
        ("repository", package.repository.is_some()),
        ("readme", package.readme.is_some()),
        ("documentation", package.documentation.is_some()),
        ("license", package.license.is_some()),
        ("rust-version", package.rust_version.is_some()),
        ("keywords", !package.keywords.is_empty()),
        ("categories", !package.categories.is_empty()),
    ];
    let absent = fields.into_iter().filter(|(_, is_set)| !is_set);
    problems.extend(absent.map(|(name, _)| (format!("has no `{name}`"), "add it to [package]")));
    problems.extend(rejected_by_registry(package));
    let others = package.dependencies.iter().filter(|dependency| !is_itself(package, dependency));
    problems.extend(others.filter_map(unpackageable));
    problems
}

fn rejected_by_registry(package: &Package) -> Vec<(String, &'static str)> {
    let mut problems = Vec::new();
    if package.keywords.len() > MAX_KEYWORDS || package.categories.len() > MAX_CATEGORIES {
        problems.push(("has over five keywords or categories".to_owned(), "crates.io takes five of each"));
    }
    for keyword in package.keywords.iter().filter(|keyword| !is_keyword(keyword)) {
        problems.push((format!("has the keyword `{keyword}`"), "use at most 20 of a-z, 0-9 and `-`"));
    }
    for category in package.categories.iter().filter(|slug| !CATEGORIES.contains(&slug.as_str())) {
        problems.push((format!("has the category `{category}`"), "use a slug of crates.io"));
    }
    problems
}

fn is_keyword(keyword: &str) -> bool {
    let has_length = (1..=MAX_KEYWORD_LENGTH).contains(&keyword.len());
    has_length && keyword.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// A crate enables a feature for its own tests by a dev-dependency on itself, which must have no version: its version
/// is not in the registry yet when Cargo packages it.
fn is_itself(package: &Package, dependency: &Dependency) -> bool {
    dependency.name == package.name && !dependency.is_shipped() && dependency.req == "*"
}

/// Cargo replaces a path by its version, and drops a dev-dependency that has a path alone.
fn unpackageable(dependency: &Dependency) -> Option<(String, &'static str)> {
    dependency.path.as_ref()?;
    let has_version = dependency.req != "*";
    let name = &dependency.name;
    if UNPUBLISHED.contains(&name.as_str()) {
        let problem = format!("names a version of the unpublished {name}");
        return has_version.then_some((problem, "leave the version out of [workspace.dependencies]"));
    }
    let problem = format!("depends on {name} by path alone");
    (!has_version).then_some((problem, "add the version in [workspace.dependencies]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Kind;

    #[test]
    fn every_published_crate_has_what_the_registry_demands() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn a_crate_without_metadata_fails_for_each_field() {
        assert_eq!(problems(&Package { name: "tokenry-new".to_owned(), ..Package::default() }).len(), 8);
    }

    #[test]
    fn only_the_listed_crates_are_unpublished() {
        let count =
            |name: &str, publish| problems(&Package { name: name.to_owned(), publish, ..complete() }).len();
        assert_eq!(count("tokenry-store", None), 0);
        assert_eq!(count("tokenry-store", Some(Vec::new())), 1);
        assert_eq!(count("xtask", Some(Vec::new())), 0);
        assert_eq!(count("xtask", None), 1);
    }

    #[test]
    fn keywords_and_categories_that_the_registry_rejects_fail() {
        let count = |package: &Package| problems(package).len();
        assert_eq!(count(&Package { keywords: vec!["personal-access-token".into()], ..complete() }), 1);
        assert_eq!(count(&Package { keywords: vec!["a".to_owned(); 6], ..complete() }), 1);
        assert_eq!(count(&Package { categories: vec!["tokens".into()], ..complete() }), 1);
    }

    #[test]
    fn a_path_has_a_version_unless_its_crate_is_unpublished() {
        let is_rejected = |name: &str, req: &str| {
            let path = Some("crates/x".into());
            unpackageable(&Dependency { name: name.into(), req: req.into(), path, ..Dependency::default() })
                .is_some()
        };
        assert!(!is_rejected("tokenry-domain", "^0.1.0") && is_rejected("tokenry-domain", "*"));
        assert!(!is_rejected("tokenry-testkit", "*") && is_rejected("tokenry-testkit", "^0.1.0"));
    }

    #[test]
    fn a_crate_may_be_its_own_dev_dependency_by_path_alone() {
        let itself = Dependency {
            name: complete().name,
            kind: Some(Kind::Dev),
            req: "*".into(),
            path: Some("crates/tokenry-store".into()),
            ..Dependency::default()
        };
        let shipped = Dependency {
            kind: None,
            path: itself.path.clone(),
            name: itself.name.clone(),
            req: "*".into(),
            ..Dependency::default()
        };
        assert!(problems(&Package { dependencies: vec![itself], ..complete() }).is_empty());
        assert_eq!(problems(&Package { dependencies: vec![shipped], ..complete() }).len(), 1);
    }

    fn complete() -> Package {
        let text = || Some("x".to_owned());
        Package {
            name: "tokenry-store".to_owned(),
            description: text(),
            repository: text(),
            documentation: text(),
            license: text(),
            rust_version: text(),
            readme: Some("README.md".into()),
            keywords: vec!["token".to_owned()],
            categories: vec!["database".to_owned()],
            ..Package::default()
        }
    }
}
