//! `tokenry completions SHELL`

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{
    cli::Cli,
    output::{CliError, Console},
};

/// Prints the completion script for `shell`.
pub(crate) fn run(shell: Shell, console: &mut Console) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "tokenry", &mut script);
    console.text(&String::from_utf8_lossy(&script))
}
