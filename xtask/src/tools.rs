//! Cargo commands that check the dependencies: cargo-deny and cargo-machete.
//!
//! `cargo xtask ci` installs them into the target folder, which takes minutes once. The tests of this file run them
//! only where they are installed.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::{metadata, step, workspace};

/// A program from crates.io, in the one version that everyone runs.
struct Tool {
    name: &'static str,
    version: &'static str,
}

const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
const MACHETE: Tool = Tool { name: "cargo-machete", version: "0.9.2" };

/// The checks of cargo-deny that need no network.
const OFFLINE_CHECKS: &[&str] = &["bans", "licenses", "sources"];

/// Every declared dependency is used.
pub(crate) fn check_unused() -> Result<ExitCode> {
    step::run(&mut unused(&MACHETE.obtain()?)).map(step::exit_code)
}

/// Licences, banned crates and sources, for every platform and every feature.
pub(crate) fn check_dependencies() -> Result<ExitCode> {
    step::run(&mut dependencies(&DENY.obtain()?)).map(step::exit_code)
}

/// Known vulnerabilities. The database is fetched from GitHub; without a network the check is skipped.
pub(crate) fn check_advisories() -> Result<ExitCode> {
    let program = DENY.obtain()?;
    if !step::run(&mut deny(&program, &["fetch", "db"]))?.success() {
        eprintln!("the advisory database cannot be fetched, so KNOWN VULNERABILITIES ARE NOT CHECKED");
        return Ok(ExitCode::SUCCESS);
    }
    step::run(&mut deny(&program, &["--offline", "check", "advisories"])).map(step::exit_code)
}

impl Tool {
    /// The program, installed if it is missing.
    fn obtain(&self) -> Result<PathBuf> {
        let program = self.program()?;
        if program.is_file() {
            return Ok(program);
        }
        eprintln!("{} is missing; compiling it takes minutes", self.name);
        if !step::run(&mut self.installation()?)?.success() {
            bail!("{} {} cannot be installed", self.name, self.version);
        }
        Ok(program)
    }

    /// Where the program is once it is installed.
    fn program(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join("bin").join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX)))
    }

    fn folder(&self) -> Result<PathBuf> {
        Ok(metadata::target_directory()?.join("tools").join(format!("{}-{}", self.name, self.version)))
    }

    /// With little optimization: a program that runs for seconds need not be compiled for minutes more.
    fn installation(&self) -> Result<Command> {
        let mut command = workspace::cargo();
        command.args(["install", "--locked", "--debug", "--root"]).arg(self.folder()?);
        command.arg(format!("{}@{}", self.name, self.version)).env("CARGO_PROFILE_DEV_DEBUG", "0");
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
        Ok(command)
    }
}

fn unused(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.args(["crates", "xtask"]).current_dir(workspace::root());
    command
}

fn dependencies(program: &PathBuf) -> Command {
    let mut command = deny(program, &["--offline", "--locked", "check", "--hide-inclusion-graph"]);
    command.args(OFFLINE_CHECKS);
    command
}

fn deny(program: &PathBuf, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(workspace::root());
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_declared_dependency_is_used() {
        let Some(program) = installed(&MACHETE) else { return };
        assert_passes(unused(&program));
    }

    #[test]
    fn every_dependency_has_an_allowed_licence_and_source_and_is_not_banned() {
        let Some(program) = installed(&DENY) else { return };
        assert_passes(dependencies(&program));
    }

    #[test]
    fn a_banned_crate_and_a_forbidden_licence_are_found() {
        let Some(program) = installed(&DENY) else { return };
        let rules = fs::read_to_string(workspace::root().join(".deny.toml")).unwrap();
        for (from, to, check, code) in [
            ("crate = \"ring\"", "crate = \"serde\"", "bans", "error[banned]"),
            ("    \"MIT\",\n", "", "licenses", "error[rejected]"),
            (
                "github.com/rust-lang/crates.io-index",
                "example.com/index",
                "sources",
                "error[source-not-allowed]",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("deny.toml");
            assert_eq!(rules.matches(from).count(), 1, "{from}");
            fs::write(&file, rules.replace(from, to)).unwrap();
            let mut command = deny(&program, &["--offline", "--locked", "--config"]);
            let output = command.arg(file).args(["check", check]).output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && text.contains(code), "{check}: {text}");
        }
    }

    fn installed(tool: &Tool) -> Option<PathBuf> {
        let program = tool.program().unwrap();
        if !program.is_file() {
            eprintln!("SKIPPED: {} is not installed; `cargo xtask ci` installs it", tool.name);
            return None;
        }
        Some(program)
    }

    fn assert_passes(mut command: Command) {
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
    }
}
