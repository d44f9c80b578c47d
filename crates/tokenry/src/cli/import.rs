//! `tokenry import` and `tokenry export`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokenry_service::Shape;

/// Arguments of `import`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArgs {
    /// JSON Lines or CSV with a header; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Name of the other system; each of its ids is imported once
    #[arg(long, value_name = "NAME")]
    pub(crate) source: String,
    /// Shape of the tokens: sanctum, knox, drf-api-key, gitea, better-auth, or a list of name=value
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    pub(crate) shape: Option<Shape>,
    /// Create owners that do not exist, with the lowest role
    #[arg(long)]
    pub(crate) create_users: bool,
    /// Replace a scope by others, such as repo=projects:read,projects:write; nothing after `=` drops it; can be repeated
    #[arg(long = "map-scope", value_name = "OLD=NEW", value_parser = scope_mapping)]
    pub(crate) scope_map: Vec<(String, Vec<String>)>,
    /// Import the other rows if some are refused
    #[arg(long)]
    pub(crate) skip_refused: bool,
    /// Check all rows and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `export`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArgs {
    /// Format of the rows
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = RowFormat::Jsonl)]
    pub(crate) format: RowFormat,
}

/// The format of the rows of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

pub(super) const IMPORT_HELP: &str = "\
Nothing is imported unless every row can be. The tokens start to work together at the end, on running servers within \
five seconds. An interrupted import is resumed by the same command; rows that were imported before are left out, even \
if their tokens were deleted since. The limits of live tokens do not stop an import, but imported tokens count against \
them. See docs/IMPORT.md.

Examples:
  tokenry import tokens.jsonl --source shop --shape sanctum --create-users --dry-run
  tokenry import tokens.csv --source git --shape gitea --map-scope read:repository=projects:read
  psql -c \"COPY (SELECT ...) TO STDOUT CSV HEADER\" | tokenry import - --source app --shape \\
    'prefix=app_ lookup=first:8 length=44 alphabet=base64url'";

pub(super) const EXPORT_HELP: &str = "\
The rows have the fields that `tokenry import` reads, without hashes: they describe tokens, and no token can be restored \
from them. In CSV, a text that a spreadsheet would take for a formula begins with an apostrophe.

Examples:
  tokenry export > tokens.jsonl
  tokenry export --format csv > tokens.csv";

fn shape(text: &str) -> Result<Shape, String> {
    text.parse().map_err(|error: tokenry_service::ShapeError| error.to_string())
}

fn scope_mapping(text: &str) -> Result<(String, Vec<String>), String> {
    // Scopes may contain `=`, but not at the end of the old one.
    let (old, new) = text.split_once('=').ok_or("must be OLD=NEW, such as repo=projects:read")?;
    if old.is_empty() {
        return Err("must name the old scope before `=`".to_owned());
    }
    let new = new.split(',').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    Ok((old.to_owned(), new))
}
