//! `tokenry token …`

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value};
use tokenry_service::{
    Description, Expiry, Lifetime, PageSize, Reason, Risk, Scope, Sort, Status, Subject, TokenId, TokenName,
    UnixMillis, UsageLimit,
};

use super::value;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print its secret, this once, on standard output
    #[command(after_help = CREATE_HELP)]
    Create(CreateArgs),
    /// List tokens, the newest first
    #[command(after_help = LIST_HELP)]
    List(ListArgs),
    /// Show everything about a token but its secret
    Show {
        /// The token's id
        #[arg(value_parser = value::Id)]
        id: TokenId,
    },
    /// Show what a token was used for, the newest first
    #[command(after_help = USAGE_HELP)]
    Usage(UsageArgs),
    /// Change what a token may do, or pause it
    #[command(after_help = UPDATE_HELP)]
    Update(UpdateArgs),
    /// Give a token a new secret and print it, this once; everything else stays
    #[command(after_help = ROTATE_HELP)]
    Rotate(RotateArgs),
    /// End tokens for good: the next request with one of them is refused
    #[command(after_help = REVOKE_HELP)]
    Revoke(RevokeArgs),
}

const CREATE_HELP: &str = "\
A date as an expiry means the end of that day in UTC. Without --expires the token lives as long as default_days of \
[lifetime] says; without --scope it may do nothing but prove who owns it.

Examples:
  tokenry token create --user alice --name ci --scope projects:read --expires 30d
  tokenry token create --user alice --name deploy --expires 2026-12-31 --allow-ip 10.0.0.0/8
  tokenry token create --user alice --name ci --quiet > secret.txt";

const LIST_HELP: &str = "\
Examples:
  tokenry token list --user alice --status active
  tokenry token list --search ci --sort expires_at --all --output json
  tokenry token list --risk never_used --output name";

const USAGE_HELP: &str = "\
Each line counts the uses of one minute, or of whatever span bucket of [usage] says, that have everything else in \
common. What was used within the last second may be missing.

Examples:
  tokenry token usage 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e
  tokenry token usage 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --from 2026-01-01 --to 2026-02-01 --output json";

const UPDATE_HELP: &str = "\
--scope, --allow-ip and --metadata replace what was there. An empty description removes it.

Examples:
  tokenry token update 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --inactive
  tokenry token update 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --scope projects:read --expires 7d";

const ROTATE_HELP: &str = "\
Without --grace the old secret is refused from now on. With it, it works beside the new one, but no longer than the \
settings allow and never past the old expiry. With --idempotency-key a command that is repeated after a lost answer \
does not rotate twice: it is refused, as the secret was delivered before.

Examples:
  tokenry token rotate 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --grace 10m
  tokenry token rotate 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --expires 90d --quiet > secret.txt";

const REVOKE_HELP: &str = "\
Example:
  tokenry token revoke 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --reason \"laptop lost\"";

/// Metadata as it was given.
#[derive(Debug, Clone)]
pub(crate) enum MetadataArg {
    /// In the argument.
    Given(Map<String, Value>),
    /// To be read from standard input.
    StandardInput,
}

/// Arguments of `token create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateArgs {
    /// Who owns it
    #[arg(long, value_name = "SUBJECT", value_parser = value::subject)]
    pub(crate) user: Subject,
    /// What its owner calls it
    #[arg(long, value_parser = value::token_name)]
    pub(crate) name: TokenName,
    /// A note about it
    #[arg(long, value_name = "TEXT", value_parser = value::description)]
    pub(crate) description: Option<Description>,
    /// What it may do, such as projects:read; can be given more than once
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<Scope>,
    /// When it ends: 30d, 12h, 2026-12-31, an RFC 3339 time, or never
    #[arg(long, value_name = "WHEN", value_parser = value::expiry)]
    pub(crate) expires: Option<Expiry>,
    /// Before when it does not work: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) not_before: Option<UnixMillis>,
    /// An address or network it may be used from; can be given more than once [default: from anywhere]
    #[arg(long = "allow-ip", value_name = "NET", value_parser = value::network)]
    pub(crate) allowed_ips: Vec<String>,
    /// A JSON object to keep beside it; `-` reads it from standard input
    #[arg(long, value_name = "JSON", value_parser = value::metadata)]
    pub(crate) metadata: Option<MetadataArg>,
}

/// Arguments of `token list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Only the tokens of this user [default: of all users]
    #[arg(long, value_name = "SUBJECT", value_parser = value::subject)]
    pub(crate) user: Option<Subject>,
    /// Only those in this state
    #[arg(long, value_parser = value::status())]
    pub(crate) status: Option<Status>,
    /// Only those whose name, first or last characters contain this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Only those that were given exactly this scope
    #[arg(long)]
    pub(crate) scope: Option<Scope>,
    /// Only live ones with this risk, shown with all their risks
    #[arg(long, value_parser = value::risk())]
    pub(crate) risk: Option<Risk>,
    /// By created_at, name, expires_at or last_used_at; a leading `-` puts the largest first
    #[arg(long, default_value = "-created_at", allow_hyphen_values = true)]
    pub(crate) sort: Sort,
    /// At most this many, from 1 to 200
    #[arg(long, value_name = "N", default_value = "50", value_parser = value::page_size, conflicts_with = "all")]
    pub(crate) limit: PageSize,
    /// Every one there is
    #[arg(long)]
    pub(crate) all: bool,
}

/// Arguments of `token usage`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UsageArgs {
    /// The token's id
    #[arg(value_parser = value::Id)]
    pub(crate) id: TokenId,
    /// Only what was counted from then on: 2026-12-31 or an RFC 3339 time [default: 30 days before the end]
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) from: Option<UnixMillis>,
    /// Only what was counted before then: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) to: Option<UnixMillis>,
    /// At most this many lines, from 1 to 5000
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) limit: UsageLimit,
}

/// Arguments of `token update`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct UpdateArgs {
    /// The token's id
    #[arg(value_parser = value::Id)]
    pub(crate) id: TokenId,
    /// Call it this
    #[arg(long, group = "change", value_parser = value::token_name)]
    pub(crate) name: Option<TokenName>,
    /// Note this about it
    #[arg(long, group = "change", value_name = "TEXT", value_parser = value::description)]
    pub(crate) description: Option<Description>,
    /// Let it do this instead of what it may do now; can be given more than once
    #[arg(long = "scope", group = "change", value_name = "SCOPE")]
    pub(crate) scopes: Vec<Scope>,
    /// Let it do nothing
    #[arg(long, group = "change", conflicts_with = "scopes")]
    pub(crate) no_scopes: bool,
    /// End it then: 30d, 12h, 2026-12-31, an RFC 3339 time, or never
    #[arg(long, group = "change", value_name = "WHEN", value_parser = value::expiry)]
    pub(crate) expires: Option<Expiry>,
    /// Let it be used only from this address or network; can be given more than once
    #[arg(long = "allow-ip", group = "change", value_name = "NET", value_parser = value::network)]
    pub(crate) allowed_ips: Vec<String>,
    /// Let it be used from anywhere
    #[arg(long, group = "change", conflicts_with = "allowed_ips")]
    pub(crate) any_ip: bool,
    /// Keep this JSON object beside it; `-` reads it from standard input
    #[arg(long, group = "change", value_name = "JSON", value_parser = value::metadata)]
    pub(crate) metadata: Option<MetadataArg>,
    /// Resume it
    #[arg(long, group = "change", conflicts_with = "inactive")]
    pub(crate) active: bool,
    /// Pause it
    #[arg(long, group = "change")]
    pub(crate) inactive: bool,
}

/// Arguments of `token rotate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RotateArgs {
    /// The token's id
    #[arg(value_parser = value::Id)]
    pub(crate) id: TokenId,
    /// How long the old secret works beside the new one, such as 10m or 1h [default: not at all]
    #[arg(long, value_name = "SPAN", value_parser = value::grace)]
    pub(crate) grace: Option<Lifetime>,
    /// End the token then: 30d, 12h, 2026-12-31, an RFC 3339 time, or never [default: as before]
    #[arg(long, value_name = "WHEN", value_parser = value::expiry)]
    pub(crate) expires: Option<Expiry>,
    /// A name for this one rotation, of 1 to 255 ASCII characters
    #[arg(long, value_name = "KEY", value_parser = value::idempotency_key)]
    pub(crate) idempotency_key: Option<String>,
}

/// Arguments of `token revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevokeArgs {
    /// The ids of the tokens
    #[arg(required = true, value_name = "ID", value_parser = value::Id)]
    pub(crate) ids: Vec<TokenId>,
    /// Why, for those who look at it later
    #[arg(long, value_name = "TEXT", value_parser = value::reason)]
    pub(crate) reason: Option<Reason>,
    /// Do not ask, even on a terminal
    #[arg(long, short)]
    pub(crate) yes: bool,
}
