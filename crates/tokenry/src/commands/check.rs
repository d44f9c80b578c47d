//! `tokenry check -`

use super::{patterns, presented};
use crate::{
    cli::PresentedArgs,
    output::{CliError, Console},
    settings::Settings,
};

/// Reads a token from standard input and checks its format and its checksum, without a database. Only another text is
/// compared with the shapes of imported tokens, if there is a database with some.
///
/// # Errors
/// Status 5 if they are invalid, status 2 if the token was given as an argument.
pub(crate) fn run(args: &PresentedArgs, settings: &Settings, console: &mut Console) -> Result<(), CliError> {
    let text = presented::read(args, console)?;
    if patterns::prefixes(settings).check_format(&text).is_ok() {
        console.note("well-formed: prefix, length and checksum are valid");
        Ok(())
    } else if has_stored_shape(settings, &text) {
        console.note("well-formed: it has the shape of imported tokens, which have no checksum");
        Ok(())
    } else {
        let detail = "not a token of this instance: its prefix, length or checksum is invalid";
        Err(CliError::no("malformed_token", detail).next("check that you copied all of it"))
    }
}

/// Whether the database can be read and knows a shape that the text has.
fn has_stored_shape(settings: &Settings, presented: &str) -> bool {
    let shapes = patterns::stored_shapes(settings);
    shapes.unwrap_or_default().iter().any(|shape| shape.fits(presented.as_bytes()))
}
