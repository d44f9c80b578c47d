//! Installing PostgreSQL where that needs neither a question nor a password.

use std::env;
use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::step;

/// How one package manager installs a PostgreSQL server.
struct Manager {
    program: &'static str,
    refresh: &'static [&'static str],
    install: &'static [&'static str],
    /// `true` if root may run it unasked; otherwise it is only shown as advice.
    unattended: bool,
}

const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        refresh: &["update", "-q"],
        // The server alone. Its package makes and may start a cluster of its own, on which we do not depend.
        install: &["install", "-q", "-y", "--no-install-recommends", "postgresql"],
        unattended: true,
    },
    Manager {
        program: "dnf",
        refresh: &["makecache"],
        install: &["install", "-y", "postgresql-server"],
        unattended: true,
    },
    Manager { program: "apk", refresh: &["update"], install: &["add", "postgresql"], unattended: false },
    Manager {
        program: "brew",
        refresh: &["update"],
        install: &["install", "postgresql@18"],
        unattended: false,
    },
];

/// Installs PostgreSQL if we are root and a known package manager is here; `false` if nothing was installed.
///
/// # Errors
/// Only if the package manager cannot be started; its own failure is `false`, and the caller decides.
pub(crate) fn run() -> Result<bool> {
    let Some(manager) = manager().filter(|manager| manager.unattended && is_root()) else {
        return Ok(false);
    };
    eprintln!("PostgreSQL is missing; installing it (--no-install prevents this)");
    // A fresh image has no package lists at all; an old one has lists that name packages which are gone.
    let fresh = manager.program == "apt-get" && !has_apt_lists();
    if !fresh && manager.run(manager.install)? {
        return Ok(true);
    }
    Ok(manager.run(manager.refresh)? && manager.run(manager.install)?)
}

/// The command a person can run to get PostgreSQL, and the way around it.
pub(crate) fn advice() -> String {
    let command = manager().map_or_else(
        || "install a PostgreSQL server".to_owned(),
        |manager| {
            let sudo = if manager.unattended && !is_root() { "sudo " } else { "" };
            format!("{sudo}{} {}", manager.program, manager.install.join(" "))
        },
    );
    format!("it is not installed; fix: {command}; or point TOKENRY_TEST_POSTGRES_URL at a server of yours")
}

impl Manager {
    fn run(&self, args: &[&str]) -> Result<bool> {
        let mut command = Command::new(self.program);
        // Without it, debconf may wait for an answer for ever.
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        Ok(step::run(&mut command)?.success())
    }
}

fn manager() -> Option<&'static Manager> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = |program: &str| env::split_paths(&path).any(|folder| folder.join(program).is_file());
    MANAGERS.iter().find(|manager| on_path(manager.program))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn has_apt_lists() -> bool {
    let Ok(entries) = fs::read_dir("/var/lib/apt/lists") else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}
