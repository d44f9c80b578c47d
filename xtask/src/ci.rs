//! `cargo xtask ci`: all required checks, the fastest first.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::flags::TestFlags;
use crate::{openapi, package, step, testing, tidy, tools, workspace};

type Step = (&'static str, fn() -> Result<ExitCode>);

const STEPS: &[Step] = &[
    ("fmt", fmt),
    ("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("tidy", tidy::run),
    ("package", || package::run(false)),
    ("openapi", || openapi::run(true)),
    ("test", || testing::run(&TestFlags { no_install: false, runner_args: Vec::new() })),
    ("doc", doc),
    ("unused dependencies", tools::check_unused),
    ("dependencies", tools::check_dependencies),
    ("advisories", tools::check_advisories),
];

pub(crate) fn run() -> Result<ExitCode> {
    let all = Instant::now();
    for (name, check) in STEPS {
        eprintln!("== {name}");
        let started = Instant::now();
        let code = check().unwrap_or_else(|err| {
            eprintln!("xtask: {err:#}");
            ExitCode::FAILURE
        });
        let took = step::seconds(started.elapsed());
        if code != ExitCode::SUCCESS {
            eprintln!("== {name} FAILED after {took}; later steps did not run");
            return Ok(code);
        }
        eprintln!("== {name} passed in {took}");
    }
    eprintln!("== ci passed in {}", step::seconds(all.elapsed()));
    Ok(ExitCode::SUCCESS)
}

fn cargo(args: &[&str]) -> Result<ExitCode> {
    step::run(workspace::cargo().args(args)).map(step::exit_code)
}

fn fmt() -> Result<ExitCode> {
    cargo(&["fmt", "--all", "--check"])
}

fn doc() -> Result<ExitCode> {
    let mut command = workspace::cargo();
    command.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    step::run(&mut command).map(step::exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formatting is also a test, so that `cargo test` alone checks it.
    #[test]
    fn every_file_is_formatted() {
        if !workspace::has_cargo_command("fmt") {
            assert!(!workspace::is_ci(), "rustfmt is missing: rustup component add rustfmt");
            eprintln!("SKIPPED: rustfmt is not installed (rustup component add rustfmt)");
            return;
        }
        assert_eq!(fmt().unwrap(), ExitCode::SUCCESS, "fix: cargo fmt --all");
    }
}
