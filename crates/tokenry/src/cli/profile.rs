//! The grammar of `profile` and `init`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The `profile` commands.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List the profiles that are part of this program, or those in a folder
    List {
        /// The folder
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Print the settings of a profile
    Show {
        /// The name of a profile, or the path of its file
        #[arg(value_name = "NAME|FILE")]
        name: String,
    },
    /// Check the settings of a profile and report all faults
    #[command(after_help = CHECK_HELP)]
    Check {
        /// The name of a profile, or the path of its file
        #[arg(value_name = "NAME|FILE")]
        name: String,
    },
}

const CHECK_HELP: &str = "\
Neither the environment nor tokenry.toml is read. The exit status is 2 if there are faults.

Example:
  tokenry profile check ./mine.toml";

/// Arguments of `init`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitArgs {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE", default_value = "tokenry.toml")]
    pub(crate) file: PathBuf,
}
