//! `tokenry policy …`

use std::path::PathBuf;

use clap::Subcommand;

/// What to do with the rules for tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Count the live tokens and stored rows that a settings file would touch, before it is applied
    #[command(after_help = CHECK_HELP)]
    Check {
        /// The file that would take the place of the present one
        #[arg(long, value_name = "FILE")]
        proposed: PathBuf,
    },
}

const CHECK_HELP: &str = "\
The environment counts as it does now and is stronger than the file; the database is the present one, whatever the \
file says. Nothing is changed. The exit status is 0 if no live token would be touched and no stored row would \
lose its meaning, else 5.

Examples:
  tokenry policy check --proposed new.toml
  tokenry policy check --proposed new.toml --output json";
