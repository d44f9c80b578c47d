//! The file modes of a SQLite database.

use std::path::Path;

use super::Finding;

/// Checks that only the owner and the group can access the database and the files that SQLite keeps beside it.
#[cfg(unix)]
pub(super) fn check(database: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt;
    /// The mode bits of all other users.
    const OTHERS: u32 = 0o007;
    let mut open = Vec::new();
    for ending in ["", "-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(ending);
        match std::fs::metadata(&name) {
            Ok(file) if file.permissions().mode() & OTHERS != 0 => open.push(name.display().to_string()),
            Ok(_) => {}
            Err(_) if !ending.is_empty() => {}
            Err(error) => return Finding::unknown(format!("{}: {error}", database.display())),
        }
    }
    match open.join(" ") {
        open if open.is_empty() => {
            Finding::ok(format!("{} is not accessible to other users", database.display()))
        }
        open => {
            Finding::failed(format!("accessible to every user of this machine; run `chmod o-rwx {open}`"))
        }
    }
}

/// File modes exist only on Unix.
#[cfg(not(unix))]
pub(super) fn check(_: &Path) -> Finding {
    Finding::ok("not checked on this system")
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_database_accessible_to_other_users_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenry.db");
        assert!(!check(&path).is_ok(), "there is no file");
        for (mode, is_ok) in [(0o600, true), (0o640, true), (0o604, false), (0o602, false), (0o660, true)] {
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&path).is_ok(), is_ok, "{mode:o}");
        }
        let log = folder.path().join("tokenry.db-wal");
        fs::write(&log, "").unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!check(&path).is_ok(), "the write-ahead log contains rows too");
    }
}
