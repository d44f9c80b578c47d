//! `cargo xtask test`: all tests on both databases, also on a machine that has only Rust.

use std::ffi::OsStr;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::axe::Axe;
use crate::flags::TestFlags;
use crate::postgres::{self, Postgres};
use crate::programs::{self, Missing};
use crate::{packages, step, workspace};

pub(crate) fn run(flags: &TestFlags) -> Result<ExitCode> {
    let started = Instant::now();
    // Dropping it stops the server.
    let postgres = postgres::obtain(!flags.no_install)?;
    if let Postgres::Missing { why } = &postgres {
        if workspace::is_ci() {
            bail!("no PostgreSQL, and on a build server that is a failure: {why}");
        }
        eprintln!("!!! NO POSTGRESQL: THE TESTS RUN ON SQLITE ONLY: {why}");
    }

    for missing in missing(!flags.no_install)? {
        if workspace::is_ci() {
            bail!("no {}, and on a build server that is a failure: {}", missing.name, missing.why);
        }
        eprintln!("!!! NO {}: {}: {}", missing.name.to_uppercase(), missing.loss, missing.why);
    }

    let mut results = vec![("tests", step::run(tests(flags).envs(postgres.env()))?)];
    if flags.runner_args.is_empty() {
        let mut doctests = workspace::cargo();
        doctests.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
        results.push(("doctests", step::run(doctests.envs(postgres.env()))?));
    }
    // The server stops first, so that the summary is the last line of output.
    let databases = postgres.databases();
    drop(postgres);
    eprintln!("xtask test: {} on {databases} in {}", outcome(&results), step::seconds(started.elapsed()));
    let failed = results.iter().map(|(_, status)| *status).find(|status| !status.success());
    Ok(failed.map_or(ExitCode::SUCCESS, step::exit_code))
}

/// The programs that tests need and that are missing.
fn missing(may_install: bool) -> Result<Vec<Missing>> {
    let axe = Axe::locate()?;
    let mut missing = programs::obtain(may_install, !axe.is_there() || !packages::has_all_of_npm()?)?;
    missing.extend(axe.obtain()?);
    missing.extend(packages::obtain(may_install)?);
    Ok(missing)
}

/// The command that runs all tests except doctests.
fn tests(flags: &TestFlags) -> Command {
    let mut command = workspace::cargo();
    let nextest = workspace::has_cargo_command("nextest");
    command.args(if nextest { &["nextest", "run"] as &[_] } else { &["test"] });
    // `--workspace` would override a selection of packages.
    let all = !flags.runner_args.iter().any(|arg| selects_package(arg));
    if all {
        command.arg("--workspace");
    }
    command.arg("--no-fail-fast");
    if all && !nextest {
        // Naming the kinds leaves out doctests, which run separately afterwards.
        command.args(["--lib", "--bins", "--tests", "--examples"]);
    }
    command.args(&flags.runner_args);
    command
}

fn selects_package(arg: &OsStr) -> bool {
    arg.to_str().is_some_and(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

fn outcome(results: &[(&str, ExitStatus)]) -> String {
    let each = results.iter().map(|(name, status)| {
        let verdict = if status.success() { "passed" } else { "FAILED" };
        format!("{name} {verdict}")
    });
    each.collect::<Vec<_>>().join(", ")
}
