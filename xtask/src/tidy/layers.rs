//! Which crate may depend on which.
//!
//! The layers guarantee that persistence cannot name a plaintext, that use cases know no web framework, and that only
//! one crate writes SQL. Each guarantee is a dependency that does not exist.

use anyhow::Result;

use super::Failure;
use super::tree::Tree;
use crate::metadata::{Dependency, Package};

/// Each crate of this workspace and the crates of this workspace that it may depend on. Tests may use more.
const LAYERS: &[(&str, &[&str])] = &[
    ("tokenry-domain", &[]),
    ("tokenry-crypto", &["tokenry-domain"]),
    ("tokenry-libpq", &[]),
    // Never crypto: a crate that cannot name a plaintext cannot store one.
    ("tokenry-store", &["tokenry-domain", "tokenry-libpq"]),
    ("tokenry-service", &["tokenry-store", "tokenry-crypto", "tokenry-domain"]),
    ("tokenry-actix", &["tokenry-service"]),
    ("tokenry-tower", &["tokenry-service"]),
    ("tokenry-ui", &["tokenry-actix", "tokenry-service"]),
    ("tokenry", &["tokenry-ui", "tokenry-actix", "tokenry-service"]),
    (TESTKIT, &["tokenry-domain", "tokenry-crypto", "tokenry-store", "tokenry-service"]),
    // Measures the others over HTTP and through the libraries; nothing depends on it.
    (BENCH, &["tokenry-domain", "tokenry-crypto", "tokenry-store", "tokenry-service", TESTKIT]),
    // Must also run while the others do not compile.
    ("xtask", &[]),
];

const TESTKIT: &str = "tokenry-testkit";
const BENCH: &str = "tokenry-bench";

/// The crates that may name the database library, and those that may name each web framework.
const DATABASE: &[&str] = &["tokenry-libpq", "tokenry-store", TESTKIT];
const WEB: &[&str] = &["tokenry-actix", "tokenry-ui", "tokenry"];
const TOWER: &[&str] = &["tokenry-tower"];

/// GPL-3.0-or-later, so embedders must be able to leave it out.
const GOVERNOR: &str = "actix-governor";

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    Ok(tree
        .packages
        .iter()
        .flat_map(|package| failures(&tree.relative(&package.manifest_path), package))
        .collect())
}

fn failures(manifest: &str, package: &Package) -> Vec<Failure> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
        let fix = "add the crate and what it may build on to LAYERS in xtask/src/tidy/layers.rs";
        return vec![Failure::new(manifest, format!("{} has no layer", package.name), fix)];
    };
    let problems = package.dependencies.iter().filter_map(|dependency| problem(package, allowed, dependency));
    problems.map(|(problem, fix)| Failure::new(manifest, problem, fix)).collect()
}

/// The violation by one dependency, and its fix.
fn problem(package: &Package, allowed: &[&str], dependency: &Dependency) -> Option<(String, String)> {
    let (own, name) = (package.name.as_str(), dependency.name.as_str());
    if own == "xtask" && is_own(name) {
        let fix = "run the `tokenry` binary instead of linking it";
        return Some((format!("xtask depends on {name}"), fix.to_owned()));
    }
    if !dependency.is_shipped() {
        return None;
    }
    // The benchmark is not published either.
    if name == TESTKIT && own != BENCH {
        let fix = "move it to [dev-dependencies]: the testkit is for tests only";
        return Some((format!("{own} ships {TESTKIT}"), fix.to_owned()));
    }
    if is_own(name) && !allowed.contains(&name) {
        let fix = format!("{own} may build on {allowed:?}; move the code to the layer that may know both");
        return Some((format!("{own} depends on {name}"), fix));
    }
    if is_database(name) && !DATABASE.contains(&own) {
        let fix = "move the query into tokenry-store; only it names the database library";
        return Some((format!("{own} depends on {name}"), fix.to_owned()));
    }
    if name == GOVERNOR && !(own == "tokenry-actix" && dependency.optional) {
        let fix = "only tokenry-actix may have it, as an optional dependency: it is GPL-3.0-or-later";
        return Some((format!("{own} depends on {name}"), fix.to_owned()));
    }
    if is_web(name) && !WEB.contains(&own) {
        let fix = "move the HTTP part into tokenry-actix; only it names the web framework";
        return Some((format!("{own} depends on {name}"), fix.to_owned()));
    }
    if is_tower(name) && !TOWER.contains(&own) {
        let fix = "move it into tokenry-tower; only it names tower, and what is built on it";
        return Some((format!("{own} depends on {name}"), fix.to_owned()));
    }
    None
}

fn is_own(name: &str) -> bool {
    name == "tokenry" || name.starts_with("tokenry-")
}

fn is_database(name: &str) -> bool {
    name.starts_with("diesel") || name == "libsqlite3-sys" || name == "pq-sys"
}

/// `actix-web` and crates that are named after it, such as `tracing-actix-web`.
fn is_web(name: &str) -> bool {
    !is_own(name) && name.split(['-', '_']).any(|part| part == "actix")
}

/// tower, axum, and the types that they share.
fn is_tower(name: &str) -> bool {
    name == "http" || (!is_own(name) && name.split(['-', '_']).any(|part| ["axum", "tower"].contains(&part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Kind;

    #[test]
    fn crates_depend_only_on_allowed_layers() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn allowed_edges_pass() {
        assert_eq!(
            count("tokenry-service", &["tokenry-store", "tokenry-crypto", "tokenry-domain", "flume"]),
            0
        );
        assert_eq!(count("tokenry-store", &["diesel", "diesel_migrations", "libsqlite3-sys", "pq-sys"]), 0);
        assert_eq!(count("tokenry-actix", &["tokenry-service", "actix-web", "tracing-actix-web"]), 0);
        assert_eq!(count("tokenry-tower", &["tokenry-service", "axum", "tower-layer", "http"]), 0);
        assert_eq!(count("tokenry-testkit", &["tokenry-service", "diesel"]), 0);
        assert_eq!(count("tokenry-bench", &["tokenry-service", "tokenry-testkit", "mio"]), 0);
    }

    #[test]
    fn forbidden_edges_fail() {
        for (name, dependency) in [
            ("tokenry-domain", "tokenry-crypto"),
            ("tokenry-store", "tokenry-crypto"),
            ("tokenry-store", "actix-web"),
            ("tokenry-service", "diesel"),
            ("tokenry-service", "tracing-actix-web"),
            ("tokenry-service", "tokenry-testkit"),
            ("tokenry-actix", "tokenry-store"),
            ("tokenry-actix", "pq-sys"),
            ("tokenry-actix", "tower-service"),
            ("tokenry-service", "http"),
            ("tokenry-tower", "tokenry-actix"),
            ("tokenry-tower", "actix-web"),
            ("tokenry", "tokenry-crypto"),
            ("tokenry", "tokenry-bench"),
            ("tokenry-testkit", "tokenry-bench"),
            ("tokenry-bench", "diesel"),
            ("tokenry-bench", "actix-web"),
            ("xtask", "tokenry-domain"),
            ("tokenry-unknown", "serde"),
        ] {
            assert_eq!(count(name, &[dependency]), 1, "{name} on {dependency}");
        }
    }

    #[test]
    fn tests_may_use_more() {
        let mut kit = dependency("tokenry-testkit");
        kit.kind = Some(Kind::Dev);
        assert_eq!(failures("", &package("tokenry-store", vec![kit])).len(), 0);
    }

    #[test]
    fn the_gpl_crate_is_optional_and_in_one_place() {
        let governor = |optional| Dependency { optional, ..dependency(GOVERNOR) };
        assert_eq!(failures("", &package("tokenry-actix", vec![governor(true)])).len(), 0);
        assert_eq!(failures("", &package("tokenry-actix", vec![governor(false)])).len(), 1);
        assert_eq!(failures("", &package("tokenry", vec![governor(true)])).len(), 1);
    }

    fn count(name: &str, dependencies: &[&str]) -> usize {
        failures("", &package(name, dependencies.iter().map(|name| dependency(name)).collect())).len()
    }

    fn package(name: &str, dependencies: Vec<Dependency>) -> Package {
        Package { name: name.to_owned(), dependencies, ..Package::default() }
    }

    fn dependency(name: &str) -> Dependency {
        Dependency { name: name.to_owned(), ..Dependency::default() }
    }
}
