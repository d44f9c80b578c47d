//! No crate declares a dependency that it does not use.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Failure;
use super::tree::{Tree, has_word};
use crate::metadata::Dependency;

type Features = BTreeMap<String, Vec<String>>;

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let mut failures = Vec::new();
    for package in &tree.packages {
        let manifest = tree.relative(&package.manifest_path);
        let folder = manifest.trim_end_matches("Cargo.toml");
        let sources = tree.sources.iter().filter(|source| source.path.starts_with(folder));
        let sources: Vec<_> = sources.map(|source| source.content.as_str()).collect();
        let unused = package
            .dependencies
            .iter()
            .filter(|dependency| !is_used(dependency, &sources, &package.features));
        failures.extend(unused.map(|dependency| {
            let problem = format!("declares `{}`, but no file of the crate names it", dependency.name);
            Failure::new(&manifest, problem, "remove the dependency")
        }));
    }
    Ok(failures)
}

fn is_used(dependency: &Dependency, sources: &[&str], features: &Features) -> bool {
    let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
    let identifier = name.replace('-', "_");
    sources.iter().any(|source| has_word(source, &identifier)) || is_carrier(dependency, name, features)
}

/// `true` if the dependency is there to switch features on, which another crate then uses: `pq-sys/bundled`.
fn is_carrier(dependency: &Dependency, name: &str, features: &Features) -> bool {
    let (strong, weak, own) = (format!("{name}/"), format!("{name}?/"), format!("dep:{name}"));
    features.values().flatten().any(|entry| {
        let passes_on = entry.starts_with(&strong) || entry.starts_with(&weak);
        passes_on || (*entry == own && !dependency.features.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_dependency_is_used() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn a_dependency_is_used_by_name_or_by_feature() {
        let none = Features::new();
        assert!(is_used(&dependency("serde-json", &[]), &["use serde_json::Value;"], &none));
        assert!(!is_used(&dependency("serde", &[]), &["use serde_json::Value;"], &none));
        let features =
            Features::from([("postgres".to_owned(), vec!["pq-sys/bundled".into(), "dep:lite".into()])]);
        assert!(is_used(&dependency("pq-sys", &[]), &[], &features));
        assert!(is_used(&dependency("lite", &["bundled"]), &[], &features));
        assert!(!is_used(&dependency("lite", &[]), &[], &features), "optional, but without a purpose");
    }

    #[test]
    fn a_renamed_dependency_is_known_by_its_new_name() {
        let renamed = Dependency { rename: Some("json".to_owned()), ..dependency("serde_json", &[]) };
        assert!(is_used(&renamed, &["json::to_string"], &Features::new()));
        assert!(!is_used(&renamed, &["serde_json::to_string"], &Features::new()));
    }

    fn dependency(name: &str, features: &[&str]) -> Dependency {
        let features = features.iter().map(|feature| (*feature).to_owned()).collect();
        Dependency { name: name.to_owned(), features, ..Dependency::default() }
    }
}
