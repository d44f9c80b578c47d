//! The guard of `cargo xtask chaos` ends what runs in its folder when the first process is gone.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[test]
fn processes_end_and_logs_remain_when_the_run_ends_early() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut sleeper, guard) = start(folder.path())?;
    // Dropping the pipe is what the end of the first process does.
    let ended = guard.wait_with_output()?;
    assert!(ended.status.success());
    assert!(!sleeper.wait()?.success(), "it was killed");
    assert!(folder.path().join("n1.log").is_file() && !folder.path().join("data").exists());
    let text = String::from_utf8(ended.stderr)?;
    assert!(text.contains(&folder.path().canonicalize()?.display().to_string()), "{text}");
    Ok(())
}

/// A process that works in a folder with a log and a database, and the guard of the folder.
fn start(folder: &Path) -> Result<(Child, Child)> {
    let folder = folder.canonicalize()?;
    fs::create_dir(folder.join("data"))?;
    fs::write(folder.join("data/rows"), "x")?;
    fs::write(folder.join("n1.log"), "x")?;
    let sleeper = Command::new("sleep").arg("60").current_dir(folder.join("data")).spawn()?;
    let mut guard = Command::new(env!("CARGO_BIN_EXE_xtask"));
    guard.arg("chaos-guard").arg(folder).stdin(Stdio::piped()).stderr(Stdio::piped());
    Ok((sleeper, guard.spawn()?))
}
