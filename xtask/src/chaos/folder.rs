//! The folder of one cluster, and the account as which everything in it runs.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::account::{self, Account};

/// A folder that belongs to an unprivileged account.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
    account: Option<Account>,
}

impl Folder {
    /// Takes an existing, empty folder.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        // Processes are found by their working directory, which the system reports without symbolic links.
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        let is_root = fs::metadata(&path)?.uid() == 0;
        let account = if is_root { Some(account::unprivileged()?) } else { None };
        let folder = Self { path, account };
        folder.hand_over(&folder.path)?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a folder in it.
    pub(crate) fn create(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        self.hand_over(&path)?;
        Ok(Self { path, account: self.account })
    }

    /// Writes a file into it and returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        self.hand_over(&path)?;
        Ok(path)
    }

    /// The log of a process of this folder.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.log"))
    }

    /// Makes a command run in this folder, as its account, without settings of the developer.
    pub(crate) fn run_as_account(&self, command: &mut Command) {
        command.current_dir(&self.path).env("LC_ALL", "C");
        let foreign = ["PG", "PATRONI_", "ETCD_", "TOKENRY_", "DATABASE_URL"];
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let is_set_here = command.get_envs().any(|(set, value)| value.is_some() && *set == *name);
            if !is_set_here && foreign.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid); // std drops the supplementary groups with them
        }
    }

    fn hand_over(&self, path: &Path) -> Result<()> {
        let Some(Account { uid, gid }) = self.account else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).with_context(|| format!("cannot give away {}", path.display()))
    }
}
