//! Migrations: identical on both databases, reversible, safe to run on several nodes at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use tokenry_store::{StoreError, audit, instance};
use tokenry_testkit::{TestDatabase, each_backend};

each_backend!(a_migrated_database_is_ready_and_a_second_migration_does_nothing, |db| {
    assert!(db.store().is_ready().unwrap());
    assert!(db.store().migrate().unwrap().is_empty());
});

each_backend!(every_migration_can_be_reverted_and_applied_again, |db| {
    let all: Vec<String> = db.store().migrations().unwrap().into_iter().map(|step| step.name).collect();
    let mut reverted = Vec::new();
    while let Some(name) = db.store().revert_migration().unwrap() {
        reverted.insert(0, name);
    }
    assert_eq!(reverted, all);
    assert!(!db.store().is_ready().unwrap());
    assert_eq!(db.store().migrate().unwrap().len(), all.len());
    assert!(db.store().is_ready().unwrap());
});

each_backend!(nodes_that_start_together_apply_each_migration_once, |db| {
    while db.store().revert_migration().unwrap().is_some() {}
    let stores: Vec<_> = (0..4).map(|_| db.second_store()).collect();
    let done: usize = std::thread::scope(|scope| {
        let nodes: Vec<_> =
            stores.iter().map(|store| scope.spawn(|| store.migrate().unwrap().len())).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).sum()
    });
    assert_eq!(done, db.store().migrations().unwrap().len());
});

each_backend!(the_instance_row_exists_and_its_chain_is_empty, |db| {
    let head = db.store().read(instance::chain_head).unwrap();
    assert_eq!(head, instance::ChainHead { seq: 0, hash: [0; 32] });
    assert!(db.store().read(|tx| audit::list(tx, 0, 10)).unwrap().is_empty());
});

#[test]
fn both_databases_have_the_same_migrations() {
    if let Some(postgres) = TestDatabase::postgres() {
        let sqlite = TestDatabase::sqlite();
        assert_eq!(sqlite.store().migrations().unwrap(), postgres.store().migrations().unwrap());
    }
}

#[test]
fn an_unreachable_database_is_unavailable() {
    let url = "postgres://nobody@127.0.0.1:1/none?sslmode=disable".parse().unwrap();
    let opened = tokenry_store::Store::open(&url, tokenry_store::StoreSettings::default());
    assert!(matches!(opened.map(|_| ()), Err(StoreError::Unavailable(_))));
    let url = "sqlite:///nonexistent/folder/tokenry.db".parse().unwrap();
    let opened = tokenry_store::Store::open(&url, tokenry_store::StoreSettings::default());
    assert!(matches!(opened.map(|_| ()), Err(StoreError::Unavailable(_))));
}
