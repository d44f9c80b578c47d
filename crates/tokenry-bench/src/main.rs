//! Measures Tokenry against its goals: ratios of two loads that alternate in one run, on this machine alone.
//!
//! `cargo xtask bench` builds the programs, starts a PostgreSQL and runs this.
#![allow(clippy::disallowed_methods, reason = "a tool at the edge reads the clock itself")]

mod arguments;
mod report;
mod rows;

mod bench;
mod compare;
mod figure;
mod sizes;

mod client;
mod latency;
mod traffic;

mod database;
mod population;
mod postgres;
mod random;

mod progress;
mod server;

use std::{fs, io::ErrorKind, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser as _;

use self::{
    arguments::Arguments,
    bench::Bench,
    database::{Backend, Databases},
    figure::Outcome,
    progress::Progress,
    report::Machine,
    rows::{ROWS, Row},
    sizes::Sizes,
};

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let rows = selected(&arguments.rows)?;
    fs::create_dir_all(&arguments.folder)?;
    let folder = arguments.folder.canonicalize()?;
    let data = folder.join("data");
    let mut results = Vec::new();
    for backend in &arguments.backends {
        results.extend(run(&arguments, &rows, *backend, &folder, &data)?);
    }
    if !arguments.keep {
        match fs::remove_dir_all(&data) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("cannot remove the databases");
            }
            _ => {}
        }
    }
    let machine = Machine::here(database::current_time()?, arguments.quick);
    report::write(&folder, &results, &machine)?;
    if let Some(file) = &arguments.docs {
        report::write_docs(file, &results, &machine)?;
    }
    let is_failed = results.iter().any(|result| result.is_failed);
    Ok(if is_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn selected(names: &[String]) -> Result<Vec<&'static Row>> {
    if let Some(unknown) = names.iter().find(|name| ROWS.iter().all(|row| row.id != **name)) {
        let known: Vec<_> = ROWS.iter().map(|row| row.id).collect();
        bail!("unknown row {unknown}; the rows are {}", known.join(", "));
    }
    Ok(ROWS.iter().filter(|row| names.is_empty() || names.iter().any(|name| name == row.id)).collect())
}

fn run(
    arguments: &Arguments,
    rows: &[&Row],
    backend: Backend,
    folder: &Path,
    data: &Path,
) -> Result<Vec<figure::Result>> {
    let sizes = if arguments.quick {
        Sizes::quick()
    } else {
        Sizes::full(arguments.rounds.into(), arguments.tokens_large)
    };
    let bench = Bench {
        tokenry: arguments.tokenry.canonicalize().context("the program `tokenry` does not exist")?,
        guard: arguments.guard.canonicalize().context("the example `guard` does not exist")?,
        folder: folder.to_owned(),
        databases: Databases::new(backend, arguments.postgres_url.clone(), data)?,
        sizes,
        progress: Progress::new(u64::try_from(rows.len())?),
    };
    Ok(rows.iter().map(|row| measured(&bench, row)).collect())
}

/// Measures a row. A failure does not affect the other rows.
fn measured(bench: &Bench, row: &Row) -> figure::Result {
    bench.progress.row(row.id);
    let (figure, detail, is_failed) = match (row.run)(bench) {
        Ok(Outcome::Measured(figure)) => {
            let detail = figure.detail.clone();
            (Some(figure), detail, false)
        }
        Ok(Outcome::NotAvailable(why)) => (None, format!("not available: {why}"), false),
        Err(error) => (None, format!("failed: {error:#}"), true),
    };
    let (backend, goal) = (bench.backend(), row.goal(bench.backend()));
    let result = figure::Result { id: row.id, backend, goal, figure, detail, is_failed };
    bench.progress.done(&report::line(&result));
    result
}

#[cfg(test)]
mod tests;
