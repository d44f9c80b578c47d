//! `tokenry completions SHELL`

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{
    cli::Cli,
    output::{CliError, Console},
};

/// Prints the script that completes the command line in `outer_middleware`.
pub(crate) fn run(outer_middleware: Shell, console: &mut Console) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(outer_middleware, &mut Cli::command(), "tokenry", &mut script);
    console.text(&String::from_utf8_lossy(&script))
}
