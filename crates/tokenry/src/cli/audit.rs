//! `tokenry audit …`

use clap::{Args, Subcommand};
use tokenry_service::{EventKind, PageSize, Subject, TokenId, UnixMillis};

use super::value;

/// The `audit` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List events, newest first
    #[command(after_help = LIST_HELP)]
    List(AuditListArgs),
    /// Recompute the digest of every entry to detect changed, missing and added entries
    #[command(after_help = VERIFY_HELP)]
    Verify,
}

const LIST_HELP: &str = "\
Examples:
  tokenry audit list --user alice --from 2026-01-01
  tokenry audit list --kind auth.token.revoked --all --output json
  tokenry audit list --token 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e";

const VERIFY_HELP: &str = "\
The exit status is 0 if the log is intact, else 5 with the position of the first modified entry. Anyone who can \
write to the database can write a new log: store the digest of the newest entry elsewhere.

Examples:
  tokenry audit verify
  tokenry audit list --limit 1 --output json";

/// Arguments of `audit list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuditListArgs {
    /// Only events of this kind
    #[arg(long, value_parser = value::event_kind())]
    pub(crate) kind: Option<EventKind>,
    /// Only events of this user and their tokens
    #[arg(long, value_name = "SUBJECT", value_parser = value::subject)]
    pub(crate) user: Option<Subject>,
    /// Only events of this token
    #[arg(long, value_name = "ID", value_parser = value::Id)]
    pub(crate) token: Option<TokenId>,
    /// Only events at or after this time: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) from: Option<UnixMillis>,
    /// Only events before this time: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) to: Option<UnixMillis>,
    /// Maximum number of entries, from 1 to 200
    #[arg(long, value_name = "N", default_value = "50", value_parser = value::page_size, conflicts_with = "all")]
    pub(crate) limit: PageSize,
    /// List all entries
    #[arg(long)]
    pub(crate) all: bool,
}
