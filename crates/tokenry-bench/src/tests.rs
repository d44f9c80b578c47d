//! Runs one row completely, so that a broken benchmark fails the tests.

use super::*;

fn bench(folder: &Path) -> Bench {
    Bench {
        tokenry: folder.join("tokenry"),
        guard: folder.join("guard"),
        folder: folder.to_owned(),
        databases: Databases::new(Backend::Sqlite, None, &folder.join("data")).unwrap(),
        sizes: Sizes { samples: 100, rounds: 2, ..Sizes::quick() },
        progress: Progress::new(1),
    }
}

#[test]
fn a_row_is_measured_and_a_missing_program_fails_only_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench(folder.path());
    let by_name = |name: &str| selected(&[name.to_owned()]).unwrap()[0];
    let oracle = measured(&bench, by_name("oracle"));
    let figure = oracle.figure.as_ref().unwrap();
    assert!(!oracle.is_failed && figure.rounds.len() == 2, "{}", oracle.detail);
    assert!(figure.rounds.iter().all(|t| t.is_finite() && *t >= 0.0), "{:?}", figure.rounds);
    let guarded = measured(&bench, by_name("guarded"));
    assert!(guarded.is_failed && guarded.value().is_none(), "{}", guarded.detail);
}

#[test]
fn an_unknown_row_is_named_and_none_means_all() {
    assert_eq!(selected(&[]).unwrap().len(), ROWS.len());
    let refused = selected(&["guardde".to_owned()]).err().unwrap().to_string();
    assert!(refused.contains("guardde") && refused.contains("refused-secret"), "{refused}");
}
