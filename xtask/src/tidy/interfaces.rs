//! What an embedder can reach has no type of the database library and no transaction in it.
//!
//! An embedder depends on `tokenry-service` or a crate above it, all of which see the database through `tokenry-store`
//! only (rule `layers`). So two steps are enough: the public signatures of `tokenry-store` name no type of Diesel, and
//! those of `tokenry-service`, with all that it re-exports, name nothing that opens a transaction.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::Failure;
use super::signatures::{Interface, PublicItem};
use super::tree::Tree;

const STORE: &str = "crates/tokenry-store/src/lib.rs";
const SERVICE: &str = "crates/tokenry-service/src/lib.rs";

/// The crates that no public signature may name.
const LIBRARIES: &[&str] = &["diesel", "diesel_migrations", "libsqlite3_sys", "pq_sys"];

/// What `use diesel::prelude::*` brings in and a signature or a `derive` can name.
const PRELUDE: &[&str] = &[
    "AsChangeset",
    "Associations",
    "Connection",
    "ConnectionError",
    "Identifiable",
    "Insertable",
    "MultiConnection",
    "PgConnection",
    "QueryResult",
    "Queryable",
    "QueryableByName",
    "RunQueryDsl",
    "Selectable",
    "SqliteConnection",
];

/// What `tokenry-service` may not pass on: it runs transactions, is one, or has the stored form of a secret.
const INTERNAL: &[&str] = &["Bookkeeping", "Credential", "RetiredCredential", "Store", "StoredSecret", "Tx"];

/// Leads into the service only: the `From` of its own `Store`.
const INBOUND: &str = "impl From < tokenry_store :: Store > for Store";

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let store = Interface::read(&tree.root.join(STORE))?;
    let service = Interface::read(&tree.root.join(SERVICE))?;
    // A rule that reads nothing must not pass.
    for (root, interface) in [(STORE, &store), (SERVICE, &service)] {
        interface.signatures.first().with_context(|| format!("{root}: no public signature found"))?;
    }
    let mut failures: Vec<_> = store.signatures.iter().filter_map(library_failure).collect();
    failures.extend(internal_failures(&store, &service));
    Ok(failures)
}

/// A signature that names the database library.
fn library_failure(signature: &PublicItem) -> Option<Failure> {
    let is_library = |path: &&Vec<String>| {
        let first = path.first().map(String::as_str).unwrap_or_default();
        let is_prelude = path.len() == 1 && signature.has_glob_of(LIBRARIES) && PRELUDE.contains(&first);
        LIBRARIES.contains(&first) || is_prelude
    };
    let found = signature.paths.iter().find(is_library)?;
    let problem = format!("the interface of `{}` names `{}`", signature.name, found.join("::"));
    Some(Failure::new(STORE, problem, "make the item private, or take and return a type of this crate"))
}

/// What the service names or passes on of the store without being allowed to.
fn internal_failures(store: &Interface, service: &Interface) -> Vec<Failure> {
    let passed_on: BTreeSet<&str> =
        service.reexports_of("tokenry_store").into_iter().map(String::as_str).collect();
    let mut failures = Vec::new();
    for name in passed_on.iter().filter(|name| INTERNAL.contains(name)) {
        let problem = format!("passes on `{name}` of tokenry-store");
        failures.push(Failure::new(SERVICE, problem, "make what is needed of it a method"));
    }
    for signature in service.signatures.iter().filter(|signature| signature.text != INBOUND) {
        let of_store =
            signature.paths.iter().filter(|path| path.first().is_some_and(|root| root == "tokenry_store"));
        for path in of_store.filter(|path| !path.iter().any(|part| passed_on.contains(part.as_str()))) {
            let problem = format!("the interface of `{}` names `{}`", signature.name, path.join("::"));
            let fix = "make the item `pub(crate)`, or re-export the type if it belongs to the interface";
            failures.push(Failure::new(SERVICE, problem, fix));
        }
    }
    // The re-exported types and modules, with the methods of the types.
    let is_passed_on =
        |signature: &&PublicItem| signature.module_and_name().any(|part| passed_on.contains(part));
    for signature in store.signatures.iter().filter(is_passed_on) {
        let is_internal =
            |path: &&Vec<String>| path.last().is_some_and(|name| INTERNAL.contains(&name.as_str()));
        if let Some(path) = signature.paths.iter().find(is_internal) {
            let problem =
                format!("`{}`, which tokenry-service passes on, names `{}`", signature.name, path.join("::"));
            failures.push(Failure::new(SERVICE, problem, "do not pass it on"));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_embedder_reaches_no_type_of_diesel_and_no_transaction() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn every_way_to_name_diesel_in_a_signature_is_found() {
        for item in [
            "pub fn f(c: &mut diesel::PgConnection) {}",
            "use diesel::PgConnection; pub fn f(c: &mut PgConnection) {}",
            "use diesel::result::Error as E; pub struct S { pub error: E }",
            "use diesel::prelude::*; pub enum S { A(QueryResult<u8>) }",
            "use diesel::prelude::*; #[derive(Queryable)] pub struct S;",
            "use diesel::result::Error; pub struct S; impl From<Error> for S { fn from(_: Error) -> S { S } }",
            "pub struct S; impl S { pub fn f() -> diesel::QueryResult<u8> { loop {} } }",
            "pub struct S; mod a { impl super::S { pub fn f() -> diesel::QueryResult<u8> { loop {} } } }",
            "pub trait S { fn f() -> diesel::QueryResult<u8>; }",
            "pub type S = diesel::PgConnection;",
            "pub use diesel::PgConnection;",
        ] {
            let found = library_failures(&[("lib", "pub mod a;"), ("a", item)]);
            assert_eq!(found, 1, "{item}");
        }
        let private = "mod a; pub use a::S;";
        let item =
            "use diesel::result::Error; pub struct S; pub fn hidden(_: Error) {} impl From<Error> for S {}";
        assert_eq!(library_failures(&[("lib", private), ("a", item)]), 1, "only S is public");
    }

    #[test]
    fn diesel_behind_a_signature_is_allowed() {
        for item in [
            "use diesel::prelude::*; pub struct S(PgConnection); pub struct T { c: PgConnection }",
            "pub fn f() { diesel::delete(x) }",
            "pub(crate) fn f() -> diesel::QueryResult<u8> { loop {} }",
            "use diesel::result::Error; pub(crate) struct S; impl From<Error> for S {}",
            "#[cfg(test)] mod tests { pub fn f() -> diesel::QueryResult<u8> { loop {} } }",
        ] {
            assert_eq!(library_failures(&[("lib", "pub mod a;"), ("a", item)]), 0, "{item}");
        }
    }

    #[test]
    fn a_transaction_in_the_interface_of_the_service_is_found() {
        let store = [
            ("lib", "pub mod audit; mod store; mod tx; pub use crate::{store::Store, tx::Tx};"),
            (
                "audit",
                "use crate::tx::Tx; pub struct Entry; pub struct Bad; impl Bad { pub fn f(tx: &mut Tx<'_>) {} }",
            ),
            ("store", "pub struct Store;"),
            ("tx", "pub struct Tx;"),
        ];
        for (item, is_reported) in [
            ("pub use tokenry_store::audit::Entry; pub struct S;", false),
            ("pub use tokenry_store::audit::Entry; pub fn f() -> Entry {}", false),
            ("use tokenry_store::audit::Entry; pub fn f() -> Entry {}", true),
            ("pub use tokenry_store::Tx; pub struct S;", true),
            ("use tokenry_store::Tx; pub fn f(_: fn(&mut Tx<'_>)) {}", true),
            ("pub fn f() -> tokenry_store::Store {}", true),
            ("use tokenry_store::Tx; pub(crate) fn f(_: fn(&mut Tx<'_>)) {} pub struct S;", false),
            ("pub struct Store; impl From<tokenry_store::Store> for Store {}", false),
            ("pub struct Store; impl From<Store> for tokenry_store::Store {}", true),
            ("pub use tokenry_store::audit::Bad; pub struct S;", true),
            ("pub use tokenry_store::audit; pub struct S;", true),
        ] {
            let failures = internal_failures(&interface(&store), &interface(&[("lib", item)]));
            assert_eq!(!failures.is_empty(), is_reported, "{item}: {failures:?}");
        }
    }

    fn library_failures(files: &[(&str, &str)]) -> usize {
        interface(files).signatures.iter().filter_map(library_failure).count()
    }

    fn interface(files: &[(&str, &str)]) -> Interface {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name).with_extension("rs"), content).unwrap();
        }
        Interface::read(&folder.path().join("lib.rs")).unwrap()
    }
}
