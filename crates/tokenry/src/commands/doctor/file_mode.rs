//! Who can read the files of a SQLite database.

use std::path::Path;

use super::Finding;

/// Whether nobody but the owner and perhaps their group can reach the database and the files SQLite keeps beside it.
#[cfg(unix)]
pub(super) fn check(database: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt;
    /// What everybody may do.
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
        open if open.is_empty() => Finding::ok(format!("{} is closed to other users", database.display())),
        open => Finding::no(format!("open to every user of this machine; run `chmod o-rwx {open}`")),
    }
}

/// Other systems keep rights elsewhere.
#[cfg(not(unix))]
pub(super) fn check(_: &Path) -> Finding {
    Finding::ok("not looked at on this system")
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_database_that_everybody_can_reach_is_told_with_its_name() {
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
        assert!(!check(&path).is_ok(), "the log beside it holds rows too");
    }
}
