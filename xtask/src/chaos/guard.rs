//! Ends every process of the run, however the run ends.
//!
//! std cannot handle signals, so a second process cleans up: the guard, which is this program in its own process group.
//! It reads a pipe that only the first process holds open. However that process ends (return, panic, Ctrl-C or
//! `kill -9`), the pipe closes, and the guard ends what runs in the folder.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use super::processes;

/// What the guard is told before a good end.
const REMOVE: &str = "remove";
const KEEP: &str = "keep";

/// The handle of a running guard. Dropping it ends every process of the folder.
pub(crate) struct Guard {
    process: Child,
}

impl Guard {
    /// Starts the guard of a folder.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.arg("chaos-guard").arg(folder).stdin(Stdio::piped()).process_group(0);
        let process = command.spawn().context("cannot start the guard")?;
        Ok(Self { process })
    }

    /// Ends every process and removes the folder, or keeps all of it.
    pub(crate) fn finish(mut self, keep: bool) -> Result<()> {
        let stdin = self.process.stdin.as_mut().context("the guard has no stdin")?;
        stdin.write_all(if keep { KEEP } else { REMOVE }.as_bytes()).context("the guard ended early")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.process.stdin.take()); // the guard's signal to end
        let _ = self.process.wait();
    }
}

/// The guard: waits until stdin ends, then ends every process that works below `folder`.
pub(crate) fn run(folder: &Path) -> Result<ExitCode> {
    let mut message = String::new();
    io::stdin().read_to_string(&mut message)?;
    processes::end_all(folder)?;
    match message.as_str() {
        REMOVE => fs::remove_dir_all(folder)?,
        KEEP => eprintln!("databases and logs are in {}", folder.display()),
        _ => {
            remove_all_but_logs(folder)?;
            eprintln!("the logs of all processes are in {}", folder.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Databases and the program take hundreds of megabytes; logs are what a failure is understood by.
fn remove_all_but_logs(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_all_but_logs(&path)?;
            // It stays if it has logs.
            let _ = fs::remove_dir(&path);
        } else if path.extension().is_none_or(|extension| extension != "log") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_remain_and_the_rest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("one/data")).unwrap();
        for name in ["tokenry", "one/m1.log", "one/data/PG_VERSION"] {
            fs::write(at(name), "x").unwrap();
        }
        remove_all_but_logs(folder.path()).unwrap();
        assert!(at("one/m1.log").is_file());
        assert!(!at("tokenry").exists() && !at("one/data").exists());
    }
}
