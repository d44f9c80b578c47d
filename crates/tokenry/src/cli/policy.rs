//! `tokenry policy …`

use std::path::PathBuf;

use clap::Subcommand;

/// The `policy` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Count the live tokens and stored rows that a settings file would affect, before it is applied
    #[command(after_help = CHECK_HELP)]
    Check {
        /// The file that would replace the current one
        #[arg(long, value_name = "FILE")]
        proposed: PathBuf,
    },
}

const CHECK_HELP: &str = "\
The environment overrides the file as usual; the database is the current one, whatever the file says. Nothing is \
changed. The exit status is 0 if no live token would be affected and no stored row would become invalid, else 5.

Examples:
  tokenry policy check --proposed new.toml
  tokenry policy check --proposed new.toml --output json";
