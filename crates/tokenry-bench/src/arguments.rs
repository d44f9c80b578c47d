//! Command-line arguments.

use std::path::PathBuf;

use clap::Parser;

use crate::database::Backend;

/// Measures Tokenry against its goals; `cargo xtask bench` builds what is needed and starts it.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// The program `tokenry`
    #[arg(long)]
    pub(crate) tokenry: PathBuf,
    /// The example `guard`
    #[arg(long)]
    pub(crate) guard: PathBuf,
    /// The databases to measure on
    #[arg(long, value_delimiter = ',', default_value = "sqlite")]
    pub(crate) backends: Vec<Backend>,
    /// A PostgreSQL server where databases may be created
    #[arg(long, value_name = "URL")]
    pub(crate) postgres_url: Option<String>,
    /// The rows to measure; all if none is named
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub(crate) rows: Vec<String>,
    /// The number of measurements of each side
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) rounds: u8,
    /// Small sizes and short rounds: a smoke test without meaningful figures
    #[arg(long)]
    pub(crate) quick: bool,
    /// Tokens of the large database
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    pub(crate) tokens_large: u64,
    /// Keep filled SQLite databases for the next run
    #[arg(long)]
    pub(crate) keep: bool,
    /// The folder of reports, logs and databases
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// A document whose table of results is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) docs: Option<PathBuf>,
}
