//! `tokenry check -`

use tokenry_service::{Prefixes, presented_line};

use crate::{
    cli::CheckArgs,
    output::{CliError, Console},
    settings::Settings,
};

/// The largest input, in bytes; longer than any token.
const MAX_BYTES: u64 = 1024;

/// Reads a token from standard input and checks its format and its checksum, without a database. Only another text is
/// compared with the shapes of imported tokens, if there is a database with some.
///
/// # Errors
/// Status 5 if they are invalid, status 2 if the token was given as an argument.
pub(crate) fn run(args: &CheckArgs, settings: &Settings, console: &mut Console) -> Result<(), CliError> {
    if args.input != "-" {
        // SECURITY: neither accepted nor quoted: other users can see arguments, and shells record them.
        let detail =
            "a token must not be an argument, because other users and the shell's history can see it";
        return Err(CliError::usage(detail).next("pass it on standard input: tokenry check - < secret.txt"));
    }
    let text = console.read(MAX_BYTES)?;
    let presented = presented_line(&text);
    if prefixes(settings).check_format(presented).is_ok() {
        console.note("well-formed: prefix, length and checksum are valid");
        Ok(())
    } else if has_stored_shape(settings, presented) {
        console.note("well-formed: it has the shape of imported tokens, which have no checksum");
        Ok(())
    } else {
        let detail = "not a token of this instance: its prefix, length or checksum is invalid";
        Err(CliError::no("malformed_token", detail).next("check that you copied all of it"))
    }
}

/// The current and former prefixes of tokens.
fn prefixes(settings: &Settings) -> Prefixes {
    Prefixes::new(settings.service.prefix.clone(), settings.service.former_prefixes.clone())
}

/// Whether the database can be read and knows a shape that the text has.
fn has_stored_shape(settings: &Settings, presented: &str) -> bool {
    let store = super::open_existing(&settings.database_url, settings.store);
    let shapes = store.ok().and_then(|store| store.shapes().ok()).unwrap_or_default();
    shapes.iter().any(|shape| shape.fits(presented.as_bytes()))
}
