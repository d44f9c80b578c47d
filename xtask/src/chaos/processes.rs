//! The processes that work in a folder, found by their working directory.
//!
//! Patroni starts PostgreSQL in a session of its own, so neither parents nor process groups lead to its processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// The processes with a working directory at or below `folder`.
pub(crate) fn below(folder: &Path) -> Vec<(Pid, PathBuf)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let process = |entry: fs::DirEntry| {
        let id: i32 = entry.file_name().to_str()?.parse().ok()?;
        // A process of another account, or one that has just ended, cannot be read.
        let directory = fs::read_link(entry.path().join("cwd")).ok()?;
        directory.starts_with(folder).then_some((Pid::from_raw(id)?, directory))
    };
    entries.flatten().filter_map(process).collect()
}

/// Sends a signal to every process that works at or below `folder`, and repeats it until no new process appears.
pub(crate) fn signal_all(folder: &Path, signal: Signal) {
    let mut reached = Vec::new();
    // A process may fork while the list is read.
    for _ in 0..20 {
        let new: Vec<_> =
            below(folder).into_iter().map(|(pid, _)| pid).filter(|pid| !reached.contains(pid)).collect();
        if new.is_empty() {
            return;
        }
        for pid in new {
            // It may have ended since.
            let _ = kill_process(pid, signal);
            reached.push(pid);
        }
    }
}

/// Kills every process of a server of PostgreSQL, and waits until they are gone.
///
/// # Errors
/// When some still run after seconds.
pub(crate) fn kill_all(folder: &Path) -> Result<()> {
    for _ in 0..200 {
        let all = below(folder);
        if all.is_empty() {
            return Ok(());
        }
        for (pid, _) in all {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(Duration::from_millis(25));
    }
    bail!("processes in {} survive SIGKILL", folder.display())
}

/// Ends everything that works below `folder`: PostgreSQL in its own way, so that it frees shared memory, the rest at once.
///
/// # Errors
/// When some processes survive.
pub(crate) fn end_all(folder: &Path) -> Result<()> {
    let is_postgres = |directory: &Path| directory.join("PG_VERSION").is_file();
    // Patroni goes first: it would start PostgreSQL again.
    for _ in 0..3 {
        for (pid, _) in below(folder).into_iter().filter(|(_, directory)| !is_postgres(directory)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(Duration::from_millis(50));
    }
    signal_all(folder, Signal::CONT);
    let mut servers: Vec<_> = below(folder).into_iter().map(|(_, directory)| directory).collect();
    servers.sort();
    servers.dedup();
    for directory in servers {
        if let Ok(pid) = postmaster(&directory) {
            let _ = kill_process(pid, Signal::QUIT);
        }
    }
    for _ in 0..60 {
        if below(folder).is_empty() {
            return Ok(());
        }
        sleep(Duration::from_millis(50));
    }
    kill_all(folder)
}

/// The main process of the server with this data folder.
pub(crate) fn postmaster(data: &Path) -> Result<Pid> {
    let file = data.join("postmaster.pid");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let id = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
    id.with_context(|| format!("{} has no process id", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_found_by_its_folder_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let mut child = Command::new("sleep").arg("60").current_dir(&path).spawn().unwrap();
        let found = below(&path);
        let id = i32::try_from(child.id()).unwrap();
        assert_eq!(found, [(Pid::from_raw(id).unwrap(), path.clone())]);
        signal_all(&path, Signal::STOP);
        end_all(&path).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(below(&path).is_empty());
    }
}
