//! Tokens of other systems: imported all at once, verified like any other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod activation;
#[path = "../common/mod.rs"]
mod common;
mod systems;

use std::collections::HashMap;

use tokenry_service::{
    Activation, Catalog, EventKind, HashSettings, ImportError, ImportPlan, ImportReport, ImportRow,
    ImportSettings, Limits, NewToken, NewUser, PageQuery, PageSize, Pepper, Policy, Rejection, Rotation,
    Scheme, SettingsOutline, Token, TokenChanges, TokenFilter, TokenId, Tokenry, UserChanges, VerifyError,
    catalog::{Definition, NamedDefinition},
};
use tokenry_store::import;
use tokenry_testkit::{TestDatabase, each_backend};

use common::{at, limited, operator, service, settings, verify};
use systems::{System, noise, systems};

/// How many rows each scheme has. Some tokens of each are presented afterwards.
const ROWS: usize = 1200;
const SAMPLE: [usize; 4] = [0, 1, 700, ROWS - 1];

fn with_key(db: &TestDatabase, scheme: Scheme, rehash_imported: bool) -> Tokenry {
    let peppers = vec![Pepper::new("old", vec![7; 32]).unwrap()];
    let hash = HashSettings::new(scheme).with_bcrypt_cost(4).with_peppers(peppers);
    let settings = settings(Policy::default().with_limits(Limits::unlimited()))
        .with_hash(hash)
        .with_rehash_imported(rehash_imported);
    Tokenry::new(db.store().clone(), settings).unwrap()
}

fn rows(system: &System, numbers: impl Iterator<Item = usize>) -> Vec<ImportRow> {
    numbers.map(|number| (system.row)(number, &(system.token)(number), SAMPLE.contains(&number))).collect()
}

fn of(source: &str, shape: &str) -> ImportSettings {
    ImportSettings {
        source: source.to_owned(),
        shape: Some(shape.parse().unwrap()),
        create_users: true,
        scope_map: HashMap::new(),
    }
}

fn plan(tokenry: &Tokenry, settings: &ImportSettings, rows: Vec<ImportRow>) -> ImportPlan {
    tokenry.plan_import(&operator(10), settings, rows.into_iter().map(Ok)).unwrap()
}

fn run(tokenry: &Tokenry, settings: &ImportSettings, rows: Vec<ImportRow>) -> ImportReport {
    let plan = plan(tokenry, settings, rows);
    assert_eq!(plan.refused(), []);
    tokenry.run_import(&operator(10), plan, &mut |_| {}).unwrap()
}

fn rejection(tokenry: &Tokenry, text: &str) -> Rejection {
    match verify(tokenry, text, 20) {
        Err(VerifyError::Rejected(rejection)) => rejection,
        other => panic!("{text}: {:?}", other.map(|_| "accepted")),
    }
}

each_backend!(imported_tokens_of_each_system_verify_and_no_other_text_does, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    for system in systems() {
        let report = run(&tokenry, &of(system.name, system.shape), rows(&system, 0..ROWS));
        assert_eq!(report.imported, ROWS as u64, "{}", system.name);
    }
    // Another process knows the shapes from its start.
    for tokenry in [&tokenry, &with_key(db, Scheme::Sha256, false)] {
        for system in systems() {
            for number in SAMPLE {
                let text = (system.token)(number);
                let verified =
                    verify(tokenry, &text, 20).unwrap_or_else(|_| panic!("{}: {text}", system.name));
                assert_eq!(verified.token().name.as_str(), format!("token {number}"), "{}", system.name);
                assert!(verified.grants(&"projects:read".parse().unwrap()));
                assert!(!verified.grants(&"projects:write".parse().unwrap()));
                let id = verified.token().id;
                let identified = tokenry.identify_token(text.as_bytes(), at(20), None);
                assert_eq!(
                    futures_executor::block_on(identified).unwrap().map(|found| found.token_id),
                    Some(id)
                );
                assert!(tokenry.has_token_form(text.as_bytes()));
                // The same key with another secret, a text that is cut, and one with something after it.
                let mut wrong = text.clone().into_bytes();
                let middle = text.len() / 2;
                wrong[middle] = if wrong[middle] == b'0' { b'1' } else { b'0' };
                let wrong = String::from_utf8(wrong).unwrap();
                assert!(matches!(rejection(tokenry, &wrong), Rejection::Unknown), "{wrong}");
                for other in [text[..text.len() - 1].to_owned(), format!("{text}0"), format!("{text} ")] {
                    assert!(
                        matches!(rejection(tokenry, &other), Rejection::Malformed(_) | Rejection::Unknown),
                        "{other}"
                    );
                }
            }
        }
    }
});

each_backend!(texts_without_a_shape_are_refused_without_the_database, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let text = format!("nllm_{}", noise(1));
    assert!(matches!(rejection(&tokenry, &text), Rejection::Malformed(_)));
    let [_, notebook, ..] = &systems()[..] else { unreachable!() };
    run(&tokenry, &of("notebook", notebook.shape), rows(notebook, 0..2));
    assert!(verify(&tokenry, &text, 20).is_ok());
    assert!(matches!(rejection(&tokenry, &text.replace("nllm_", "nlln_")), Rejection::Malformed(_)));
    assert!(matches!(rejection(&tokenry, &text.to_uppercase()), Rejection::Malformed(_)));
    assert!(!tokenry.has_token_form(b"nllm_short"));
});

each_backend!(an_import_with_a_refused_row_is_reported_and_changes_nothing_by_itself, |db| {
    let tokenry =
        Tokenry::new(db.store().clone(), settings(Policy::default()).with_catalog(Catalog::open())).unwrap();
    let system = &systems()[8];
    let row = |number: usize| (system.row)(number, &(system.token)(number), true);
    let settings = ImportSettings { create_users: false, ..of("sanctum", "sanctum") };
    let owner = tokenry.find_or_create_user(&operator(0), "owner-1", None).unwrap();
    let first = plan(&tokenry, &settings, vec![row(1)]);
    tokenry.run_import(&operator(10), first, &mut |_| {}).unwrap();
    let wrong = |change: fn(&mut ImportRow)| {
        let mut row = row(8);
        change(&mut row);
        row
    };
    for (rows, reason) in [
        (vec![wrong(|row| row.id = String::new())], "id: must be"),
        (vec![wrong(|row| row.owner = "nobody".to_owned())], "owner: there is no such user"),
        (vec![wrong(|row| row.name = "\u{7}".to_owned())], "name: must not contain control"),
        (vec![wrong(|row| row.scopes = vec!["x".to_owned()])], "scopes: \"x\" is not in the catalog"),
        (vec![wrong(|row| row.created_at = Some(at(9000)))], "must not be in the future"),
        (vec![wrong(|row| row.hash = String::new())], "hash: is missing"),
        (vec![wrong(|row| row.hash = "00".to_owned())], "hash: the hash does not have the form"),
        (vec![wrong(|row| row.scheme = Some("md5".to_owned()))], "hash: the scheme must be"),
        (vec![wrong(|row| row.lookup = Some("a|b".to_owned()))], "lookup: does not fit"),
        (vec![wrong(|row| row.shape = Some("first".to_owned()))], "shape: has a word that is not name=value"),
        (vec![wrong(|row| row.prefix = Some("x".repeat(40)))], "prefix: must be at most"),
        (vec![wrong(|row| row.suffix = Some("secret with blanks".to_owned()))], "suffix: must be at most"),
        (vec![row(8), wrong(|row| row.lookup = Some("9".to_owned()))], "id: is in the file twice"),
        (vec![row(8), wrong(|row| row.id = "9".to_owned())], "lookup: another row"),
    ] {
        let refused: Vec<String> = if reason.starts_with("lookup: another row") {
            let mut rows = rows;
            rows[1].lookup = Some("8".to_owned());
            plan(&tokenry, &settings, rows).refused().iter().map(|row| row.reason.clone()).collect()
        } else {
            plan(&tokenry, &settings, rows).refused().iter().map(|row| row.reason.clone()).collect()
        };
        assert!(refused.len() == 1 && refused[0].contains(reason), "{reason}: {refused:?}");
    }
    let mut taken = row(8);
    taken.lookup = Some("1".to_owned());
    taken.id = "other".to_owned();
    let reported = plan(&tokenry, &settings, vec![taken]);
    assert_eq!(reported.refused()[0].reason, "lookup: another token has the same one");
    let listed = tokenry.list_tokens(&operator(20), Default::default(), Default::default()).unwrap();
    assert_eq!((listed.total, listed.items[0].1.id), (1, owner.id));
    let unnamed = ImportSettings { source: "a b".to_owned(), ..settings };
    let named = tokenry.plan_import(&operator(10), &unnamed, Vec::new());
    assert!(matches!(named, Err(ImportError::Source)));
});

each_backend!(an_interrupted_import_activates_nothing_and_the_same_rows_resume_it, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let system = &systems()[1];
    let settings = of("notebook", system.shape);
    let interrupted = plan(&tokenry, &settings, rows(system, 0..ROWS));
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tokenry.run_import(&operator(10), interrupted, &mut |_| panic!("interrupted"))
    }));
    assert!(stopped.is_err());
    let other = with_key(db, Scheme::Bcrypt, false);
    let listed = tokenry.list_tokens(&operator(11), Default::default(), Default::default()).unwrap();
    assert_eq!(listed.total, 500);
    let stored = listed.items[0].0.name.as_str().strip_prefix("token ").unwrap().parse().unwrap();
    assert!(matches!(rejection(&other, &(system.token)(stored)), Rejection::Inactive));
    // The rows that are stored already are not stored twice.
    let resumed = plan(&other, &settings, rows(system, 0..ROWS));
    assert_eq!((resumed.tokens(), resumed.already_imported()), (ROWS as u64 - 500, 0));
    let report = other.run_import(&operator(11), resumed, &mut |_| {}).unwrap();
    assert_eq!(report.imported, ROWS as u64);
    for number in SAMPLE {
        assert!(verify(&other, &(system.token)(number), 20).is_ok());
    }
    let again = plan(&other, &settings, rows(system, 0..ROWS));
    assert_eq!((again.tokens(), again.already_imported()), (0, ROWS as u64));
    assert_eq!(other.run_import(&operator(12), again, &mut |_| {}).unwrap(), ImportReport::default());
    assert!(other.check_audit_log(&operator(20)).unwrap().broken.is_none());
});

each_backend!(another_file_replaces_an_unfinished_import, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let system = &systems()[1];
    let settings = of("notebook", system.shape);
    let interrupted = plan(&tokenry, &settings, rows(system, 0..500));
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tokenry.run_import(&operator(10), interrupted, &mut |_| panic!("interrupted"))
    }));
    assert!(stopped.is_err());
    let report = run(&tokenry, &settings, rows(system, 1..3));
    assert_eq!(report.imported, 2);
    let listed = tokenry.list_tokens(&operator(20), Default::default(), Default::default()).unwrap();
    assert_eq!(listed.total, 2);
    assert!(verify(&tokenry, &(system.token)(1), 20).is_ok());
    assert!(matches!(rejection(&tokenry, &(system.token)(0)), Rejection::Unknown));
    assert!(db.store().read(|tx| import::unfinished(tx, "notebook")).unwrap().is_none());
});

/// Stores the first transaction of an import of these rows, and stops.
fn interrupt(tokenry: &Tokenry, settings: &ImportSettings, rows: Vec<ImportRow>) {
    let interrupted = plan(tokenry, settings, rows);
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tokenry.run_import(&operator(10), interrupted, &mut |_| panic!("interrupted"))
    }));
    assert!(stopped.is_err());
}

/// The id of the staged token that was made from this row.
fn staged(tokenry: &Tokenry, row: &ImportRow) -> TokenId {
    let filter = TokenFilter::default().with_search(Some(row.name.clone()));
    let page = PageQuery::default().with_size(PageSize::new(200).unwrap());
    let listed = tokenry.list_tokens(&operator(11), filter, page).unwrap();
    let is_of = |token: &Token| token.name.as_str() == row.name;
    listed.items.iter().find(|(token, _)| is_of(token)).unwrap().0.id
}

each_backend!(a_token_that_was_revoked_while_staged_stays_dead_whatever_the_import_does, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let system = &systems()[1];
    let settings = of("notebook", system.shape);
    let all = rows(system, 0..500);
    interrupt(&tokenry, &settings, all.clone());
    let [revoked, paused, kept] = [0, 1, 2].map(|number| staged(&tokenry, &all[number]));
    tokenry.revoke_token(&operator(12), revoked, None).unwrap();
    let pause = TokenChanges::default().with_switch(Activation::Inactive);
    tokenry.update_token(&operator(12), paused, pause).unwrap();
    // Another file replaces the run, and leaves out what was changed meanwhile.
    let report = run(&tokenry, &settings, rows(system, 0..3));
    assert_eq!(report.imported, 1);
    assert!(matches!(rejection(&tokenry, &(system.token)(0)), Rejection::Revoked));
    assert!(matches!(rejection(&tokenry, &(system.token)(1)), Rejection::Inactive));
    assert!(verify(&tokenry, &(system.token)(2), 20).is_ok());
    assert_ne!(staged(&tokenry, &all[2]), kept, "the replaced row became a new token");
});

each_backend!(a_finished_run_is_not_discarded_by_another_import, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let system = &systems()[1];
    let settings = of("notebook", system.shape);
    interrupt(&tokenry, &settings, rows(system, 0..500));
    let run = db.store().read(|tx| import::unfinished(tx, "notebook")).unwrap().unwrap();
    assert!(db.store().write(move |tx| import::lock_unfinished(tx, &run)).unwrap());
    assert!(db.store().write(move |tx| import::finish(tx, &run, at(12))).unwrap());
    assert!(!db.store().write(move |tx| import::lock_unfinished(tx, &run)).unwrap());
    assert!(!db.store().write(move |tx| import::begin_discard(tx, run.id)).unwrap());
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    assert!(verify(&tokenry, &(system.token)(0), 20).is_ok());
    let more = plan(&tokenry, &settings, rows(system, 0..501));
    assert_eq!((more.tokens(), more.already_imported()), (1, 500));
});

each_backend!(revoking_all_tokens_of_a_user_includes_those_that_are_not_stored_yet, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let system = &systems()[1];
    let settings = of("notebook", system.shape);
    let mut all = rows(system, 0..600);
    for row in &mut all {
        row.owner = "ada".to_owned();
    }
    interrupt(&tokenry, &settings, all.clone());
    let (_, ada) =
        tokenry.list_tokens(&operator(11), Default::default(), Default::default()).unwrap().items.remove(0);
    tokenry.revoke_user_tokens(&operator(12), ada.id, None).unwrap();
    let resumed = plan(&tokenry, &settings, all);
    tokenry.run_import(&operator(13), resumed, &mut |_| {}).unwrap();
    for number in 0..600 {
        assert!(verify(&tokenry, &(system.token)(number), 20).is_err(), "{number}");
    }
});

each_backend!(a_user_who_was_deleted_while_disabled_is_not_created_by_an_import, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let system = &systems()[1];
    let mut wanted = rows(system, 0..1);
    wanted[0].owner = "mallory".to_owned();
    let context = operator(10);
    let user = tokenry.find_or_create_user(&context, "mallory", Some(NewUser::default())).unwrap();
    tokenry.update_user(&context, user.id, UserChanges::default().with_disabled(true)).unwrap();
    tokenry.delete_user(&context, user.id).unwrap();
    let settings = of("notebook", system.shape);
    let refused = tokenry.plan_import(&context, &settings, wanted.into_iter().map(Ok)).unwrap();
    assert_eq!(refused.tokens(), 0);
    assert!(refused.refused()[0].reason.starts_with("owner: was disabled"), "{:?}", refused.refused());
});

each_backend!(an_imported_token_is_listed_rotated_and_revoked_like_any_other, |db| {
    let tokenry = service(db);
    let system = &systems()[1];
    run(&tokenry, &of("notebook", system.shape), rows(system, 0..3));
    let text = (system.token)(0);
    let token = verify(&tokenry, &text, 20).unwrap().token().clone();
    assert_eq!((token.first_characters(), token.suffix.as_str()), (&text[..9], &text[65..]));
    // Found by what is shown, and not by the whole secret.
    for search in [&text[..9], &text[65..]] {
        let filter = tokenry_service::TokenFilter::default().with_search(Some(search.to_owned()));
        let found = tokenry.list_tokens(&operator(20), filter, Default::default()).unwrap();
        assert!(found.items.iter().any(|(found, _)| found.id == token.id), "{search}");
    }
    let grace = Rotation::default().with_grace(tokenry_service::Lifetime::seconds(60));
    let rotated = tokenry.rotate_token(&operator(30), token.id, grace).unwrap();
    let new = rotated.secret.reveal_once();
    assert!(new.starts_with("test_pat_") && rotated.token.first_characters().starts_with("test_pat_"));
    assert!(verify(&tokenry, &new, 40).is_ok());
    let retired = verify(&tokenry, &text, 40).unwrap();
    assert!(retired.is_retired() && retired.token().id == token.id);
    assert!(matches!(
        verify(&tokenry, &text, 200),
        Err(VerifyError::Rejected(Rejection::Rotated(id))) if id == token.id
    ));
    let other = verify(&tokenry, &(system.token)(1), 20).unwrap().token().id;
    tokenry.revoke_token(&operator(210), other, None).unwrap();
    assert!(matches!(rejection(&tokenry, &(system.token)(1)), Rejection::Revoked));
    // No import brings back what was revoked, or deleted with its owner.
    let third = verify(&tokenry, &(system.token)(2), 220).unwrap();
    tokenry.delete_user(&operator(230), third.owner().id).unwrap();
    let again = plan(&tokenry, &of("notebook", system.shape), rows(system, 0..3));
    assert_eq!((again.tokens(), again.already_imported()), (0, 3));
    assert!(matches!(rejection(&tokenry, &(system.token)(2)), Rejection::Unknown));
});

each_backend!(an_imported_hash_is_replaced_at_first_use_only_where_the_settings_say_so, |db| {
    let fast = with_key(db, Scheme::Sha256, true);
    let (requirements, notebook) = (&systems()[0], &systems()[1]);
    run(&fast, &of("requirements", requirements.shape), rows(requirements, 0..1));
    run(&fast, &of("notebook", notebook.shape), rows(notebook, 0..1));
    let stored = |name: &str| {
        let found = fast.list_tokens(&operator(20), Default::default(), Default::default()).unwrap();
        let public_id = |text: &str| verify(&fast, text, 20).unwrap().token().public_id.clone();
        let text = if name == "slow" { (requirements.token)(0) } else { (notebook.token)(0) };
        assert_eq!(found.total, 2);
        let id = public_id(&text);
        futures_executor::block_on(db.store().credential(&id)).unwrap().unwrap().secret
    };
    let wait_for = |name: &str, prefix: &str| {
        let is_stored = |_: &i32| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            stored(name).hash.as_str().starts_with(prefix)
        };
        assert!((0..200).any(|round| is_stored(&round)), "{name}");
    };
    wait_for("fast", "$sha256$");
    // A fast hash never replaces the slow one of a secret that may be guessable.
    assert!(stored("slow").hash.as_str().starts_with("$imported$bcrypt$"));
    let kept = with_key(db, Scheme::Bcrypt, false);
    assert!(verify(&kept, &(notebook.token)(0), 20).is_ok());
    let slow = with_key(db, Scheme::Bcrypt, true);
    assert!(
        verify(&slow, &(notebook.token)(0), 20).is_ok()
            && verify(&slow, &(requirements.token)(0), 20).is_ok()
    );
    for name in ["fast", "slow"] {
        wait_for(name, "$2b$04$");
        assert!(stored(name).proof.is_none(), "an imported secret has no proof");
    }
    for system in [requirements, notebook] {
        assert!(verify(&slow, &(system.token)(0), 20).is_ok());
        assert!(verify(&with_key(db, Scheme::Bcrypt, false), &(system.token)(0), 20).is_ok());
    }
});

each_backend!(imported_tokens_count_against_the_limits_and_are_not_stopped_by_them, |db| {
    let tokenry = limited(db, Some(3), None);
    let system = &systems()[1];
    let report = run(&tokenry, &of("notebook", system.shape), rows(system, 0..70));
    assert_eq!((report.imported, report.created_users), (70, 7));
    let owner = verify(&tokenry, &(system.token)(0), 20).unwrap().owner().id;
    let new = NewToken::new("one more");
    assert!(tokenry.issue_token(&operator(20), owner, new).is_err());
});

each_backend!(each_imported_token_and_the_import_are_in_the_audit_log, |db| {
    let tokenry = service(db);
    let system = &systems()[1];
    run(&tokenry, &of("notebook", system.shape), rows(system, 0..501));
    let filter = |kind| tokenry_service::AuditFilter::default().kind(kind);
    let count = |kind| tokenry.audit_log(&operator(20), &filter(kind), Default::default(), None);
    let finished = count(EventKind::ImportFinished).unwrap();
    assert_eq!(finished.items[0].event.detail["tokens"], 501);
    let imported = count(EventKind::TokenImported).unwrap();
    assert_eq!(imported.items[0].event.detail["source"], "notebook");
    assert!(!format!("{imported:?}").contains("imported$"), "an event has no hash");
});

each_backend!(the_policy_decides_the_expiry_of_imported_tokens, |db| {
    let tokenry = service(db);
    let system = &systems()[1];
    let mut rows = rows(system, 0..2);
    rows[0].created_at = Some(tokenry_service::UnixMillis::new(1_500_000_000_000).unwrap());
    rows[1].expires_at = Some(at(15));
    let settings = of("notebook", system.shape);
    let planned = plan(&tokenry, &settings, rows);
    // The first is older than any token may become.
    assert_eq!(planned.expired(), 1);
    tokenry.run_import(&operator(10), planned, &mut |_| {}).unwrap();
    assert!(matches!(rejection(&tokenry, &(system.token)(0)), Rejection::Expired));
    assert!(verify(&tokenry, &(system.token)(1), 14).is_ok());
    assert!(matches!(rejection(&tokenry, &(system.token)(1)), Rejection::Expired));
});

each_backend!(a_pepper_that_only_a_shape_names_is_missed_when_it_is_removed, |db| {
    let tokenry = with_key(db, Scheme::Sha256, true);
    for system in systems().iter().filter(|system| ["keyed", "notebook"].contains(&system.name)) {
        run(&tokenry, &of(system.name, system.shape), rows(system, 0..2));
    }
    let keyed = systems().into_iter().find(|system| system.name == "keyed").unwrap();
    let without = settings(Policy::default()).with_hash(HashSettings::new(Scheme::Sha256));
    let outline = SettingsOutline::of(&without);
    let missing = || {
        let report = tokenry.check_settings(&operator(20), &outline).unwrap();
        (report.live, report.peppers.get("old").copied(), report.old_secrets)
    };
    // Both the stored hash and the shape need it: each token is counted once.
    assert_eq!(missing(), (4, Some(2), 0));
    for number in 0..2 {
        let verified = verify(&tokenry, &(keyed.token)(number), 20).unwrap();
        let public_id = verified.token().public_id.clone();
        let is_replaced = || {
            let found = futures_executor::block_on(db.store().credential(&public_id)).unwrap().unwrap();
            found.secret.hash.as_str().starts_with("$sha256$")
        };
        let wait = |_: &i32| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            is_replaced()
        };
        assert!((0..200).any(|round| wait(&round)), "the hash was not replaced");
    }
    // The stored hashes need no pepper any more, but the tokens are found only with it.
    assert_eq!(missing(), (4, Some(2), 0));
    let text = tokenry.check_settings(&operator(20), &outline).unwrap().to_string();
    assert!(text.contains("need a pepper that is not configured (old: 2)"), "{text}");
    let other = Tokenry::new(db.store().clone(), without).unwrap();
    assert!(matches!(verify(&other, &(keyed.token)(0), 20), Err(VerifyError::Unreadable(_))));
    // A retired secret is found in the same way.
    let id = verify(&tokenry, &(keyed.token)(0), 20).unwrap().token().id;
    let grace = Rotation::default().with_grace(tokenry_service::Lifetime::seconds(3600));
    tokenry.rotate_token(&operator(20), id, grace).unwrap();
    assert_eq!(missing(), (4, Some(1), 1));
});

each_backend!(an_import_refuses_scopes_that_are_not_exactly_one_of_the_exclusive_ones, |db| {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let definition = Definition::default()
        .with_named_scopes(vec![
            NamedDefinition::new("guest", texts(&["projects:read"])),
            NamedDefinition::new("writer", texts(&["projects:write"])),
        ])
        .with_exclusive_scopes(texts(&["guest", "writer"]));
    let catalog = Catalog::define(&definition).unwrap();
    let settings = settings(Policy::default()).with_catalog(catalog);
    let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
    let system = &systems()[1];
    let with_scopes = |scopes: &[&str]| {
        let mut rows = rows(system, 0..1);
        rows[0].scopes = texts(scopes);
        rows
    };
    let import = of("notebook", system.shape);
    for scopes in [&[][..], &["guest", "writer"], &["projects:read"], &["guest", "projects:read"], &["*"]] {
        let refused = plan(&tokenry, &import, with_scopes(scopes));
        let reasons: Vec<_> = refused.refused().iter().map(|row| row.reason.as_str()).collect();
        assert_eq!(reasons, ["scopes: must be exactly one of guest, writer"], "{scopes:?}");
    }
    run(&tokenry, &import, with_scopes(&["guest"]));
    assert_eq!(verify(&tokenry, &(system.token)(0), 20).unwrap().token().scopes.to_texts(), ["guest"]);
});
