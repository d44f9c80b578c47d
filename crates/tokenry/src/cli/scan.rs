//! `tokenry scan` and `tokenry patterns`

use std::path::PathBuf;

use clap::{Args, builder::TypedValueParser as _};
use tokenry_service::PatternFormat;

pub(super) const SCAN_HELP: &str = "\
Tokens are recognized by prefix, length, alphabet and checksum, offline. With --status the database says whether each one \
exists and still works. Imported tokens are found if their shape has a prefix and the database can be read.

Files that .gitignore names are searched too: a leak is often in a .env file. Links below a path are not followed, and \
binary files (with a NUL byte in the first 8,000) are skipped. UTF-16 with a byte order mark is read. The secret of a \
token is never printed.

The exit status is 0 if there are no tokens, 1 if there are some, and 2 if something could not be searched.

Examples:
  tokenry scan .
  tokenry scan src .env --status --output json
  git log -p --all | tokenry scan -
  tokenry scan . --status --output name | xargs -r tokenry token revoke --yes --reason leaked";

pub(super) const PATTERNS_HELP: &str = "\
A server publishes the same at /.well-known/tokenry/patterns?format=FORMAT. Imported tokens are included if their shape has \
a prefix and the database can be read. Only `detect-secrets` also computes the checksum of a token.

Examples:
  tokenry patterns --format gitleaks > .gitleaks.toml
  tokenry patterns --format detect-secrets > tokenry_plugin.py
  tokenry patterns --output json";

/// Arguments of `scan`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScanArgs {
    /// Files and folders to search; `-` searches standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Skip what .gitignore, .ignore and .git/info/exclude name
    #[arg(long)]
    pub(crate) respect_gitignore: bool,
    /// Look up each token in the database: its id, its owner and whether it works; never changes anything
    #[arg(long)]
    pub(crate) status: bool,
}

/// Arguments of `patterns`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PatternsArgs {
    /// The program that reads the patterns
    #[arg(long, value_name = "FORMAT", default_value = "regex", value_parser = format())]
    pub(crate) format: PatternFormat,
}

fn format() -> impl clap::builder::TypedValueParser<Value = PatternFormat> {
    let names = PatternFormat::ALL.map(PatternFormat::as_str);
    clap::builder::PossibleValuesParser::new(names).try_map(|name| name.parse::<PatternFormat>())
}
