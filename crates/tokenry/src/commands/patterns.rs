//! `tokenry patterns`

use serde_json::json;
use tokenry_actix::wire;
use tokenry_service::{Prefixes, Shape, TokenPattern};

use crate::{
    cli::{Format, PatternsArgs},
    output::{CliError, Console, View},
    settings::Settings,
};

/// Prints the patterns in the format of a scanner, or as JSON. The database is only read, and need not exist.
pub(crate) fn run(
    args: &PatternsArgs,
    settings: &Settings,
    format: Format,
    console: &mut Console,
) -> Result<(), CliError> {
    let patterns = TokenPattern::all(&prefixes(settings), &shapes(settings, console));
    match format {
        Format::Table => console.text(&args.format.write(&patterns)),
        Format::Json | Format::Name => {
            let names = patterns.iter().map(|pattern| pattern.name().to_owned()).collect();
            let json = json!(wire::TokenPatterns::from(patterns.as_slice()));
            console.answer(&View::list(&[], Vec::new(), names, json))
        }
    }
}

/// The current and former prefixes of tokens.
pub(super) fn prefixes(settings: &Settings) -> Prefixes {
    Prefixes::new(settings.service.prefix.clone(), settings.service.former_prefixes.clone())
}

/// The shapes of imported tokens; none, with a note, if there is a database that cannot be read.
pub(super) fn shapes(settings: &Settings, console: &mut Console) -> Vec<Shape> {
    stored_shapes(settings).unwrap_or_else(|error| {
        console.note(&format!("without imported tokens: {}", error.text()));
        Vec::new()
    })
}

/// The shapes in the database; none if there is no database file.
pub(super) fn stored_shapes(settings: &Settings) -> Result<Vec<Shape>, CliError> {
    if settings.database_url.sqlite_path().is_some_and(|path| !path.exists()) {
        return Ok(Vec::new());
    }
    let store = super::open_existing(&settings.database_url, settings.store)?;
    Ok(store.shapes()?)
}
