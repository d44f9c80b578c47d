//! `tokenry audit …`

use clap::{Args, Subcommand};
use tokenry_service::{EventKind, PageSize, Subject, TokenId, UnixMillis};

use super::value;

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what happened, the newest first
    #[command(after_help = LIST_HELP)]
    List(AuditListArgs),
    /// Compute the digest of every entry again: changed, missing and added entries show
    #[command(after_help = VERIFY_HELP)]
    Verify,
}

const LIST_HELP: &str = "\
Examples:
  tokenry audit list --user alice --from 2026-01-01
  tokenry audit list --kind auth.token.revoked --all --output json
  tokenry audit list --token 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e";

const VERIFY_HELP: &str = "\
The exit status is 0 if the log is whole, else 5 with the place of the first entry that is not as it was written. \
Who can write to the database can write a whole new log: keep the digest of the newest entry elsewhere.

Examples:
  tokenry audit verify
  tokenry audit list --limit 1 --output json";

/// Arguments of `audit list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuditListArgs {
    /// Only events of this kind
    #[arg(long, value_parser = value::event_kind())]
    pub(crate) kind: Option<EventKind>,
    /// Only what happened to this user and their tokens
    #[arg(long, value_name = "SUBJECT", value_parser = value::subject)]
    pub(crate) user: Option<Subject>,
    /// Only what happened to this token
    #[arg(long, value_name = "ID", value_parser = value::Id)]
    pub(crate) token: Option<TokenId>,
    /// Only from then on: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) from: Option<UnixMillis>,
    /// Only before then: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) to: Option<UnixMillis>,
    /// At most this many, from 1 to 200
    #[arg(long, value_name = "N", default_value = "50", value_parser = value::page_size, conflicts_with = "all")]
    pub(crate) limit: PageSize,
    /// Every one there is
    #[arg(long)]
    pub(crate) all: bool,
}
