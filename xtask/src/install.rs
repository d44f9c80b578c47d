//! Installs programs that the tests need, where this requires neither a confirmation nor a password.

use std::env;
use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::step;

/// A program that the tests need.
pub(crate) struct Software {
    /// The display name.
    pub(crate) name: &'static str,
    /// Its package, in the order of [`MANAGERS`]: apt-get, dnf, apk, brew.
    pub(crate) packages: [&'static str; 4],
}

/// How one package manager installs.
struct Manager {
    program: &'static str,
    refresh: &'static [&'static str],
    /// The arguments before the name of the package.
    install: &'static [&'static str],
    /// `true` if root may run it without confirmation; otherwise it is only shown as advice.
    unattended: bool,
}

static MANAGERS: [Manager; 4] = [
    Manager {
        program: "apt-get",
        refresh: &["update", "-q"],
        // Only the programs. Packages may start services, which the tests do not use.
        install: &["install", "-q", "-y", "--no-install-recommends"],
        unattended: true,
    },
    Manager { program: "dnf", refresh: &["makecache"], install: &["install", "-y"], unattended: true },
    Manager { program: "apk", refresh: &["update"], install: &["add"], unattended: false },
    Manager { program: "brew", refresh: &["update"], install: &["install"], unattended: false },
];

impl Software {
    /// Installs it if we are root and a known package manager is here; `false` if nothing was installed.
    ///
    /// # Errors
    /// Only if the package manager cannot be started; its own failure is `false`, and the caller decides.
    pub(crate) fn install(&self) -> Result<bool> {
        let Some((manager, package)) = self.manager().filter(|(manager, _)| manager.unattended && is_root())
        else {
            return Ok(false);
        };
        eprintln!("{} is missing; installing it (--no-install prevents this)", self.name);
        // A fresh image has no package lists; those of an old image may name packages that no longer exist.
        let fresh = manager.program == "apt-get" && !has_apt_lists();
        if !fresh && manager.install(package)? {
            return Ok(true);
        }
        Ok(manager.run(manager.refresh)? && manager.install(package)?)
    }

    /// The command that installs it.
    pub(crate) fn advice(&self) -> String {
        let command = self.manager().map_or_else(
            || format!("install {}", self.name),
            |(manager, package)| {
                let sudo = if manager.unattended && !is_root() { "sudo " } else { "" };
                format!("{sudo}{} {} {package}", manager.program, manager.install.join(" "))
            },
        );
        format!("it is not installed; fix: {command}")
    }

    /// The package manager of this system and its name of the package.
    fn manager(&self) -> Option<(&'static Manager, &'static str)> {
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = |program: &str| env::split_paths(&path).any(|folder| folder.join(program).is_file());
        MANAGERS.iter().zip(self.packages).find(|(manager, _)| on_path(manager.program))
    }
}

impl Manager {
    fn install(&self, package: &str) -> Result<bool> {
        let mut args = self.install.to_vec();
        args.push(package);
        self.run(&args)
    }

    fn run(&self, args: &[&str]) -> Result<bool> {
        let mut command = Command::new(self.program);
        // Without it, debconf may wait for input for ever.
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        Ok(step::run(&mut command)?.success())
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn has_apt_lists() -> bool {
    let Ok(entries) = fs::read_dir("/var/lib/apt/lists") else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}
