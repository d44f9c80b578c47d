//! `cargo xtask bench`: builds the server and the benchmark, starts a durable PostgreSQL, and runs the rows.
//!
//! The rows are in the crate `tokenry-bench`, because they need the libraries, which this tool does not link.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::flags::{BenchBackend, BenchFlags};
use crate::{metadata, postgres, step, workspace};

/// The document that has the table of results.
const DOCUMENT: &str = "docs/PERFORMANCE.md";

pub(crate) fn run(flags: &BenchFlags) -> Result<ExitCode> {
    let built = step::run(&mut build())?;
    if !built.success() {
        bail!("the build failed");
    }
    let target = metadata::target_directory()?;
    // Dropping it stops the server.
    let postgres = match flags.backend {
        BenchBackend::Sqlite => None,
        BenchBackend::Postgres | BenchBackend::Both => Some(postgres::durable(!flags.no_install)?),
    };
    let folder = target.join("bench");
    let mut command = measure(flags, &target.join("release"), &folder);
    if let Some((_, url)) = &postgres {
        command.args(["--postgres-url", url]);
    }
    let measured = step::run(&mut command)?;
    drop(postgres);
    let report = folder.join("report.md");
    report.metadata().context("no report was written")?;
    println!("{}", report.display());
    Ok(step::exit_code(measured))
}

fn build() -> Command {
    let mut command = workspace::cargo();
    command.args(["build", "--release", "--bins", "--example", "guard"]);
    command.args(["-p", "tokenry", "-p", "tokenry-actix", "-p", "tokenry-bench"]);
    command
}

fn measure(flags: &BenchFlags, programs: &Path, folder: &Path) -> Command {
    let backends = match flags.backend {
        BenchBackend::Sqlite => "sqlite",
        BenchBackend::Postgres => "postgres",
        BenchBackend::Both => "sqlite,postgres",
    };
    let mut command = Command::new(programs.join("tokenry-bench"));
    let program = |name: &str| programs.join(name).into_os_string();
    command.current_dir(workspace::root());
    command.arg("--tokenry").arg(program("tokenry"));
    command.arg("--guard").arg(program("examples/guard"));
    command.arg("--folder").arg(folder);
    command.args(["--backends", backends, "--rounds", &flags.rounds.to_string()]);
    command.args(["--tokens-large", &flags.tokens_large.to_string()]);
    if !flags.rows.is_empty() {
        command.args(["--rows", &flags.rows.join(",")]);
    }
    for (name, is_set) in [("--quick", flags.quick), ("--keep", flags.keep)] {
        if is_set {
            command.arg(name);
        }
    }
    if flags.write_docs {
        command.arg("--docs").arg(PathBuf::from(DOCUMENT));
    }
    command
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::flags::{Command as Chosen, Flags};

    #[test]
    fn flags_are_passed_on() {
        let words = ["xtask", "bench", "--backend", "sqlite", "--rows", "guarded,flood", "--quick"];
        let Chosen::Bench(flags) = Flags::parse_from(words).command else { panic!("another command") };
        let command = measure(&flags, Path::new("/p"), Path::new("/f"));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let text = words.join(" ");
        for part in ["--guard /p/examples/guard", "--backends sqlite ", "--rows guarded,flood", "--quick"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("--keep") && !text.contains("--docs"), "{text}");
    }
}
