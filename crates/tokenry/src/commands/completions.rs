//! `tokenry completions SHELL`

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{
    cli::Cli,
    output::{Console, Failure},
};

/// Prints the script that completes the command line in `shell`.
pub(crate) fn run(shell: Shell, console: &mut Console) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "tokenry", &mut script);
    console.text(&String::from_utf8_lossy(&script))
}
