//! `tokenry check -`

use tokenry_service::{Prefixes, presented_line};

use crate::{
    cli::CheckArgs,
    output::{CliError, Console},
};

/// The largest input, in bytes; longer than any token.
const MAX_BYTES: u64 = 1024;

/// Reads a token from standard input and checks its format and its checksum, without a database.
///
/// # Errors
/// Status 5 if they are invalid, status 2 if the token was given as an argument.
pub(crate) fn run(args: &CheckArgs, prefixes: &Prefixes, console: &mut Console) -> Result<(), CliError> {
    if args.input != "-" {
        // SECURITY: neither accepted nor quoted: other users can see arguments, and shells record them.
        let detail =
            "a token must not be an argument, because other users and the shell's history can see it";
        return Err(CliError::usage(detail).next("pass it on standard input: tokenry check - < secret.txt"));
    }
    let text = console.read(MAX_BYTES)?;
    if prefixes.check_format(presented_line(&text)).is_ok() {
        console.note("well-formed: prefix, length and checksum are valid");
        Ok(())
    } else {
        let detail = "not a token of this instance: its prefix, length or checksum is invalid";
        Err(CliError::no("malformed_token", detail).next("check that you copied all of it"))
    }
}
