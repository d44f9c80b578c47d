//! The rights of PostgreSQL roles, tested on a server: starting, migrating and accessing the audit log.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use tokenry_store::{Store, StoreError, StoreSettings, grants};
use tokenry_testkit::{TestDatabase, TestRole};

fn open(role: &TestRole) -> Store {
    Store::open(&role.url().parse().unwrap(), StoreSettings::default()).unwrap()
}

fn script(role: &str) -> String {
    grants::script(role, &"public".parse().unwrap()).unwrap()
}

/// The error of a role that may not migrate.
fn migration_error(role: &TestRole) -> String {
    match open(role).migrate() {
        Err(StoreError::Unusable(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_role_without_schema_rights_starts_when_no_migration_is_pending() {
    let Some(db) = TestDatabase::postgres() else { return };
    let role = TestRole::new(&db);
    db.run(&script(role.name()));
    // From now on every DDL statement fails, even for the owner.
    db.run(
        "CREATE FUNCTION refuse_ddl() RETURNS event_trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'DDL is not allowed'; END $$; \
         CREATE EVENT TRIGGER refuse_ddl ON ddl_command_start EXECUTE FUNCTION refuse_ddl()",
    );
    assert!(db.try_run("CREATE TABLE IF NOT EXISTS users (id int)").is_err());
    assert!(db.second_store().migrate().unwrap().is_empty());
    assert!(role.execute("CREATE TABLE made (id int)").is_err());
    assert_eq!(open(&role).migrate().unwrap(), [""; 0]);
    assert!(open(&role).is_ready().unwrap());
    db.run("DROP EVENT TRIGGER refuse_ddl");
}

#[test]
fn a_start_without_pending_migrations_does_not_wait_for_the_migration_lock() {
    let Some(db) = TestDatabase::postgres() else { return };
    // Stands for a migration on another node: a session that waits for this lock waits until this session ends.
    let lock = std::thread::scope(|scope| {
        let locked = scope.spawn(|| {
            db.run("SELECT pg_advisory_lock(7165023184110537); SELECT pg_sleep(3)");
        });
        let is_held = "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database \
                       WHERE locktype = 'advisory' AND granted AND datname = current_database()";
        while db.texts(is_held).is_empty() {
            std::thread::yield_now();
        }
        assert!(db.store().migrate().unwrap().is_empty());
        let is_still_held = !locked.is_finished();
        locked.join().unwrap();
        is_still_held
    });
    assert!(lock);
}

#[test]
fn a_role_that_starts_during_a_migration_waits_and_starts() {
    let Some(db) = TestDatabase::postgres() else { return };
    let role = TestRole::new(&db);
    db.run(&script(role.name()));
    db.store().revert_migration().unwrap().unwrap();
    let count = |what: &str| {
        let query = format!(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
             WHERE locktype = 'advisory' AND {what} AND datname = current_database()"
        );
        db.texts(&query).remove(0)
    };
    let wait_for = |what: &str, number: &str| {
        while count(what) != number {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        // Blocks both, so that the order in which they take the lock is known.
        scope.spawn(|| db.run("SELECT pg_advisory_lock(7165023184110537); SELECT pg_sleep(2)"));
        wait_for("granted", "1");
        let owner = scope.spawn(|| db.store().migrate().unwrap());
        wait_for("NOT granted", "1");
        let server = scope.spawn(|| open(&role).migrate().unwrap());
        wait_for("NOT granted", "2");
        assert_eq!((owner.join().unwrap().len(), server.join().unwrap().len()), (1, 0));
    });
}

#[test]
fn a_role_that_may_not_migrate_gets_an_error_with_the_missing_right() {
    let Some(db) = TestDatabase::postgres() else { return };
    let role = TestRole::new(&db);
    db.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let name = role.name();
    // Without any right it cannot read the table of migrations.
    let message = migration_error(&role);
    assert!(message.contains("permission denied for table __diesel_schema_migrations"), "{message}");
    assert!(
        message.contains("needs SELECT on it") && message.contains("`tokenry migrate grants`"),
        "{message}"
    );

    db.run(&script(name));
    let last = db.store().revert_migration().unwrap().unwrap();
    for message in [migration_error(&role), migration_error(&role)] {
        assert!(message.contains(&format!("the role \"{name}\" may not apply them")), "{message}");
        assert!(message.contains("it lacks CREATE on the schema \"public\""), "{message}");
        assert!(
            message.ends_with("run `tokenry migrate run` as the owner of the tables, then start again"),
            "{message}"
        );
    }
    assert!(!open(&role).is_ready().unwrap());

    db.run(&format!("GRANT CREATE ON SCHEMA public TO {name}"));
    let message = migration_error(&role);
    assert!(message.contains("the table __diesel_schema_migrations is owned by"), "{message}");
    assert!(matches!(open(&role).revert_migration(), Err(StoreError::Unusable(_))));
    assert!(!db.store().is_ready().unwrap(), "nothing was changed");

    db.run("REVOKE ALL ON SCHEMA public FROM PUBLIC");
    db.run(&format!("REVOKE ALL ON SCHEMA public FROM {name}"));
    let message = migration_error(&role);
    assert!(message.contains("there are no tables of Tokenry where the role"), "{message}");
    assert!(message.contains("it lacks USAGE on each schema of that path"), "{message}");

    // The owner applies the pending migration, and the role can start.
    assert!(last.replace('-', "").starts_with(&db.store().migrate().unwrap().join(" ")));
    db.run(&script(name));
    assert!(open(&role).migrate().unwrap().is_empty());
}

#[test]
fn a_migration_that_the_server_rejects_is_reported_and_is_no_defect() {
    let Some(db) = TestDatabase::postgres() else { return };
    db.store().revert_migration().unwrap().unwrap();
    // A column of the same name exists already.
    db.run("ALTER TABLE instance ADD COLUMN change_seq bigint");
    let error = db.store().migrate().unwrap_err();
    let StoreError::Unusable(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("nothing was changed") && message.contains("already exists"), "{message}");
}

#[test]
fn the_grants_name_every_table_and_function_of_the_schema() {
    let Some(db) = TestDatabase::postgres() else { return };
    let script = script("app");
    let named = |before: &str, after: &str| -> BTreeSet<String> {
        let parts = script.lines().filter_map(|line| line.strip_prefix(before)?.split_once(after));
        parts.map(|(name, _)| name.to_owned()).collect()
    };
    let stored = |query: &str| db.texts(query).into_iter().collect::<BTreeSet<_>>();
    let public = "'public'::regnamespace";
    let tables = format!(
        "SELECT relname FROM pg_class WHERE relnamespace = {public} AND relkind NOT IN ('i', 'S', 'c')"
    );
    assert_eq!(named("REVOKE ALL ON TABLE \"public\".", " FROM"), stored(&tables));
    let functions = format!("SELECT proname FROM pg_proc WHERE pronamespace = {public}");
    assert_eq!(named("ALTER FUNCTION \"public\".", "()"), stored(&functions));
    let sequences = format!("SELECT relname FROM pg_class WHERE relnamespace = {public} AND relkind = 'S'");
    assert!(stored(&sequences).is_empty(), "sequences would need a GRANT USAGE");
}

#[test]
fn the_role_of_a_server_can_append_to_the_audit_log_and_not_change_it() {
    let Some(db) = TestDatabase::postgres() else { return };
    let role = TestRole::new(&db);
    let name = role.name();
    // The script revokes excess rights, however often it is run.
    db.run(&format!(
        "GRANT ALL ON audit_events, instance, users TO {name}; GRANT CREATE ON SCHEMA public TO {name}"
    ));
    for _ in 0..2 {
        db.run(&script(name));
    }
    let entry = "INSERT INTO audit_events (seq, at, kind, actor, detail, prev_hash, hash) \
                 VALUES (1, now(), 'token.created', 'system', '{}', '', '')";
    role.execute(entry).unwrap();
    let changes = [
        "UPDATE audit_events SET kind = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DELETE FROM instance",
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('1')",
        "TRUNCATE users",
        "CREATE TABLE made (id int)",
    ];
    for statement in changes {
        let message = role.execute(statement).unwrap_err();
        assert!(
            message.contains("permission denied") || message.contains("must be owner"),
            "{statement}: {message}"
        );
    }
    let rights = open(&role).role_rights().unwrap().unwrap();
    assert_eq!(
        (rights.role.as_str(), rights.missing.as_slice(), rights.rewrites_log),
        (name, &[][..], false)
    );
    // The owner can run the first two statements.
    assert_eq!(db.execute("UPDATE audit_events SET kind = 'token.revoked'"), 1);
    assert_eq!(db.execute("DELETE FROM audit_events"), 1);
    assert!(db.store().role_rights().unwrap().unwrap().rewrites_log);
    db.run(&format!("REVOKE INSERT ON audit_events FROM {name}"));
    assert_eq!(open(&role).role_rights().unwrap().unwrap().missing, ["INSERT on audit_events"]);
}

#[test]
fn a_role_that_can_bypass_the_restrictions_is_granted_nothing() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (role, group) = (TestRole::new(&db), TestRole::new(&db));
    let (name, group) = (role.name(), group.name());
    let script_error = || {
        let message = db.try_run(&script(name)).unwrap_err();
        assert!(role.execute("SELECT 1 FROM users").is_err(), "a right was granted");
        message
    };
    db.run(&format!("GRANT UPDATE (kind) ON audit_events TO {group}; GRANT {group} TO {name}"));
    assert!(script_error().contains("may change the audit log through PUBLIC or a role"));
    db.run(&format!("REVOKE {group} FROM {name}; GRANT DELETE ON audit_events TO PUBLIC"));
    assert!(script_error().contains("may change the audit log through PUBLIC or a role"));
    db.run("REVOKE DELETE ON audit_events FROM PUBLIC");
    // A role that owns the tables keeps what it had.
    let owned = format!("GRANT CREATE ON SCHEMA public TO {name}; ALTER TABLE audit_events OWNER TO {name}");
    let owner = db.texts("SELECT current_user").remove(0);
    db.run(&owned);
    assert!(db.try_run(&script(name)).unwrap_err().contains("owns the tables"));
    assert_eq!(role.execute("DELETE FROM audit_events"), Ok(0));
    db.run(&format!("ALTER TABLE audit_events OWNER TO \"{owner}\""));
    db.run(&script(name));
    role.execute("SELECT 1 FROM users").unwrap();
    let missing = db.try_run(&script("no_such_role")).unwrap_err();
    assert!(missing.contains("role \"no_such_role\" does not exist"), "{missing}");
}

#[test]
fn no_role_name_can_inject_sql() {
    let Some(db) = TestDatabase::postgres() else { return };
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let before = db.texts(tables);
    for name in [
        "x\"; DROP TABLE sessions; --",
        "x'; DROP TABLE sessions; --",
        "x\\'; DROP TABLE sessions; --",
        "$$; DROP TABLE sessions; --",
    ] {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        db.run(&format!("DROP ROLE IF EXISTS {quoted}; CREATE ROLE {quoted}"));
        for strings in ["on", "off"] {
            db.run(&format!("SET standard_conforming_strings = {strings}; {}", script(name)));
        }
        let literal = name.replace('\'', "''");
        let may = format!("SELECT has_table_privilege('{literal}', 'users', 'SELECT')");
        assert_eq!(db.texts(&may), ["true"], "{name}");
        db.run(&format!("DROP OWNED BY {quoted}; DROP ROLE {quoted}"));
    }
    assert_eq!(db.texts(tables), before);
}

#[test]
fn no_trigger_uses_a_table_created_by_the_role() {
    let Some(db) = TestDatabase::postgres() else { return };
    let role = TestRole::new(&db);
    db.run(&script(role.name()));
    let owner = db.user("alice");
    let _ = db.token(&owner).insert();
    let counts = || db.texts("SELECT tokens FROM token_counts");
    assert_eq!(counts(), ["1"]);
    // A cascade runs its triggers as the owner of the tables; it must not use a temporary table of the role.
    role.run(
        "CREATE TEMPORARY TABLE token_counts (user_id uuid, tokens bigint); \
         CREATE FUNCTION pg_temp.caught() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'caught as %', current_user; END $$; \
         CREATE TRIGGER caught BEFORE UPDATE OR DELETE ON token_counts FOR EACH STATEMENT \
         EXECUTE FUNCTION pg_temp.caught(); \
         DELETE FROM users",
    )
    .unwrap();
    assert!(counts().is_empty());
}

#[test]
fn a_database_with_another_encoding_is_rejected() {
    let Some(db) = TestDatabase::postgres() else { return };
    let ours = db.texts("SELECT current_database()").remove(0);
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let name = format!("{ours}_{}", encoding.to_lowercase());
        db.execute(&format!("DROP DATABASE IF EXISTS {name}"));
        db.execute(&format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        ));
        let opened = Store::open(&db.url().replace(&ours, &name).parse().unwrap(), StoreSettings::default());
        let message = match opened.map(drop) {
            Err(StoreError::Unusable(message)) => message,
            other => panic!("{other:?}"),
        };
        db.execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
        assert_eq!(
            message,
            format!("its encoding is {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0")
        );
    }
    // A database with the right encoding can be opened in the same way.
    assert!(Store::open(&db.url().parse().unwrap(), StoreSettings::default()).is_ok());
}

#[test]
fn a_rejected_login_is_reported_with_advice() {
    let Some(db) = TestDatabase::postgres() else { return };
    let name = db.texts("SELECT current_database()").remove(0);
    let open_error = |url: &str| match Store::open(&url.parse().unwrap(), StoreSettings::default()).map(drop)
    {
        Err(StoreError::Unusable(message)) => message,
        other => panic!("{other:?}"),
    };
    let missing = open_error(&db.url().replace(&name, "no_such_database"));
    assert!(
        missing.contains("\"no_such_database\" does not exist: create it with ENCODING 'UTF8'"),
        "{missing}"
    );
    let role = TestRole::new(&db);
    db.run(&format!("ALTER ROLE {} NOLOGIN", role.name()));
    let rejected = open_error(role.url());
    assert!(rejected.contains("is not permitted to log in: correct the user and the password"), "{rejected}");
    db.run(&format!("ALTER ROLE {} LOGIN CONNECTION LIMIT 1", role.name()));
    match Store::open(&role.url().parse().unwrap(), StoreSettings::default()).map(drop) {
        Err(StoreError::Unavailable(message)) => {
            assert!(message.contains("lower database.pool_size"), "{message}")
        }
        other => panic!("{other:?}"),
    }
}
