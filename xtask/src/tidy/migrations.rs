//! Both databases have the same migrations, each with an `up.sql` and a `down.sql`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Failure;
use super::tree::Tree;
use crate::migrate::{BACKENDS, FILES};

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    failures(&tree.root)
}

fn failures(root: &Path) -> Result<Vec<Failure>> {
    let mut names = BTreeSet::new();
    for backend in BACKENDS {
        let folder = root.join("migrations").join(backend);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            if entry.path().is_dir() {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    if names.is_empty() {
        return Ok(vec![Failure::new("migrations", "holds no migration", "cargo xtask migrate new NAME")]);
    }
    let files = names.iter().flat_map(|name| {
        BACKENDS.iter().flat_map(move |backend| {
            FILES.iter().map(move |file| format!("migrations/{backend}/{name}/{file}"))
        })
    });
    Ok(files.filter_map(|path| problem(root, path)).collect())
}

fn problem(root: &Path, path: String) -> Option<Failure> {
    match fs::read_to_string(root.join(&path)) {
        Ok(text) if !text.trim().is_empty() => None,
        Ok(_) => Some(Failure::new(path, "is empty", "write its statements")),
        Err(_) => {
            Some(Failure::new(path, "is missing", "every migration is in both databases, with up and down"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_migrations() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn a_missing_or_empty_file_is_found() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join("migrations").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("sqlite/README.md", "not a migration");
        fs::create_dir_all(root.path().join("migrations/postgres")).unwrap();
        assert_eq!(failures(root.path()).unwrap().len(), 1, "no migration at all");
        for backend in BACKENDS {
            write(&format!("{backend}/1_init/up.sql"), "CREATE TABLE t (a);");
            write(&format!("{backend}/1_init/down.sql"), "DROP TABLE t;");
        }
        assert!(failures(root.path()).unwrap().is_empty());
        write("sqlite/2_more/up.sql", "\n");
        let locations: Vec<_> =
            failures(root.path()).unwrap().into_iter().map(|failure| failure.location).collect();
        assert_eq!(
            locations.len(),
            4,
            "empty, no down.sql, and nothing for the other database: {locations:?}"
        );
    }
}
