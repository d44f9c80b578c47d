//! `tokenry check -`

use tokenry_service::{Prefixes, presented_line};

use crate::{
    cli::CheckArgs,
    output::{CliError, Console},
};

/// Longer than any token.
const MOST_BYTES: u64 = 1024;

/// Reads a token from standard input and says whether its form and its checksum are right, without a database.
///
/// # Errors
/// Status 5 if they are not, status 2 if the token was given as an argument.
pub(crate) fn run(args: &CheckArgs, prefixes: &Prefixes, console: &mut Console) -> Result<(), CliError> {
    if args.input != "-" {
        // SECURITY: not repeated, and not accepted: arguments are seen by other users and kept in the shell's history.
        let told = "a token is never an argument, where other users and the shell's history see it";
        return Err(CliError::usage(told).next("write it to standard input: tokenry check - < secret.txt"));
    }
    let text = console.read(MOST_BYTES)?;
    if prefixes.check_format(presented_line(&text)).is_ok() {
        console.note("well-formed: prefix, length and checksum are right");
        Ok(())
    } else {
        let told = "this is no token of this instance: its prefix, length or checksum is wrong";
        Err(CliError::no("malformed_token", told).next("copy it again, whole"))
    }
}
