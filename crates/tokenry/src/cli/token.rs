//! `tokenry token …`

use clap::{ArgGroup, Args, Subcommand};
use tokenry_service::{
    Description, Expiry, Lifetime, PageSize, Reason, Risk, Scope, Sort, Status, Subject, TokenId, TokenName,
    UnixMillis, UsageLimit,
};

use super::value::{self, MetadataArg};

/// The `token` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print its secret once, on standard output
    #[command(after_help = CREATE_HELP)]
    Create(CreateArgs),
    /// List tokens, newest first
    #[command(after_help = LIST_HELP)]
    List(ListArgs),
    /// Show all attributes of a token except its secret
    Show {
        /// The token's id
        #[arg(value_parser = value::Id)]
        id: TokenId,
    },
    /// Show the recorded uses of a token, newest first
    #[command(after_help = USAGE_HELP)]
    Usage(UsageArgs),
    /// Update a token, or deactivate it
    #[command(after_help = UPDATE_HELP)]
    Update(UpdateArgs),
    /// Replace the secret of a token and print the new one once; everything else stays the same
    #[command(after_help = ROTATE_HELP)]
    Rotate(RotateArgs),
    /// Revoke tokens permanently, effective from the next request
    #[command(after_help = REVOKE_HELP)]
    Revoke(RevokeArgs),
}

const CREATE_HELP: &str = "\
An expiry given as a date is the end of that day in UTC. Without --expires the token lives for default_days of \
[lifetime]; without --scope it can only prove its owner's identity.

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
Each line counts the uses that share all other columns within one minute, or within the bucket of [usage]. Uses of \
the last second may be missing.

Examples:
  tokenry token usage 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e
  tokenry token usage 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --from 2026-01-01 --to 2026-02-01 --output json";

const UPDATE_HELP: &str = "\
--scope, --allow-ip and --metadata replace the previous values. An empty description removes it.

Examples:
  tokenry token update 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --inactive
  tokenry token update 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --scope projects:read --expires 7d";

const ROTATE_HELP: &str = "\
Without --grace the old secret stops working immediately. With --grace both secrets work, but no longer than the \
settings allow and never past the old expiry. With --idempotency-key a command repeated after a lost answer does not \
rotate twice: it is refused, because the secret was already delivered.

Examples:
  tokenry token rotate 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --grace 10m
  tokenry token rotate 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --expires 90d --quiet > secret.txt";

const REVOKE_HELP: &str = "\
Example:
  tokenry token revoke 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e --reason \"laptop lost\"";

/// Arguments of `token create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateArgs {
    /// Subject of the owner
    #[arg(long, value_name = "SUBJECT", value_parser = value::subject)]
    pub(crate) user: Subject,
    /// Name of the token
    #[arg(long, value_parser = value::token_name)]
    pub(crate) name: TokenName,
    /// Description of the token
    #[arg(long, value_name = "TEXT", value_parser = value::description)]
    pub(crate) description: Option<Description>,
    /// Scope of the token, such as projects:read; can be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<Scope>,
    /// Expiry: 30d, 12h, 2026-12-31, an RFC 3339 time, or never
    #[arg(long, value_name = "WHEN", value_parser = value::expiry)]
    pub(crate) expires: Option<Expiry>,
    /// Start of validity: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) not_before: Option<UnixMillis>,
    /// Address or network from which the token can be used; can be repeated [default: any]
    #[arg(long = "allow-ip", value_name = "NET", value_parser = value::network)]
    pub(crate) allowed_ips: Vec<String>,
    /// JSON object to store with the token; `-` reads it from standard input
    #[arg(long, value_name = "JSON", value_parser = value::metadata)]
    pub(crate) metadata: Option<MetadataArg>,
}

/// Arguments of `token list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Only tokens of this user [default: all users]
    #[arg(long, value_name = "SUBJECT", value_parser = value::subject)]
    pub(crate) user: Option<Subject>,
    /// Only tokens with this status
    #[arg(long, value_parser = value::status())]
    pub(crate) status: Option<Status>,
    /// Only tokens whose name, first or last characters contain this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Only tokens with exactly this scope
    #[arg(long)]
    pub(crate) scope: Option<Scope>,
    /// Only live tokens with this risk; shows all their risks
    #[arg(long, value_parser = value::risk())]
    pub(crate) risk: Option<Risk>,
    /// Sort by created_at, name, expires_at or last_used_at; a leading `-` sorts in descending order
    #[arg(long, default_value = "-created_at", allow_hyphen_values = true)]
    pub(crate) sort: Sort,
    /// Maximum number of tokens, from 1 to 200
    #[arg(long, value_name = "N", default_value = "50", value_parser = value::page_size, conflicts_with = "all")]
    pub(crate) limit: PageSize,
    /// List all tokens
    #[arg(long)]
    pub(crate) all: bool,
}

/// Arguments of `token usage`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UsageArgs {
    /// The token's id
    #[arg(value_parser = value::Id)]
    pub(crate) id: TokenId,
    /// Only uses at or after this time: 2026-12-31 or an RFC 3339 time [default: 30 days before the end]
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) from: Option<UnixMillis>,
    /// Only uses before this time: 2026-12-31 or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = value::instant)]
    pub(crate) to: Option<UnixMillis>,
    /// Maximum number of lines, from 1 to 5000
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
    /// New name
    #[arg(long, group = "change", value_parser = value::token_name)]
    pub(crate) name: Option<TokenName>,
    /// New description
    #[arg(long, group = "change", value_name = "TEXT", value_parser = value::description)]
    pub(crate) description: Option<Description>,
    /// Replace the scopes with this one; can be repeated
    #[arg(long = "scope", group = "change", value_name = "SCOPE")]
    pub(crate) scopes: Vec<Scope>,
    /// Remove all scopes
    #[arg(long, group = "change", conflicts_with = "scopes")]
    pub(crate) no_scopes: bool,
    /// New expiry: 30d, 12h, 2026-12-31, an RFC 3339 time, or never
    #[arg(long, group = "change", value_name = "WHEN", value_parser = value::expiry)]
    pub(crate) expires: Option<Expiry>,
    /// Replace the allowed addresses with this address or network; can be repeated
    #[arg(long = "allow-ip", group = "change", value_name = "NET", value_parser = value::network)]
    pub(crate) allowed_ips: Vec<String>,
    /// Allow all addresses
    #[arg(long, group = "change", conflicts_with = "allowed_ips")]
    pub(crate) any_ip: bool,
    /// Replace the metadata with this JSON object; `-` reads it from standard input
    #[arg(long, group = "change", value_name = "JSON", value_parser = value::metadata)]
    pub(crate) metadata: Option<MetadataArg>,
    /// Activate the token
    #[arg(long, group = "change", conflicts_with = "inactive")]
    pub(crate) active: bool,
    /// Deactivate the token
    #[arg(long, group = "change")]
    pub(crate) inactive: bool,
}

/// Arguments of `token rotate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RotateArgs {
    /// The token's id
    #[arg(value_parser = value::Id)]
    pub(crate) id: TokenId,
    /// Grace period of the old secret, such as 10m or 1h [default: none]
    #[arg(long, value_name = "SPAN", value_parser = value::grace)]
    pub(crate) grace: Option<Lifetime>,
    /// New expiry: 30d, 12h, 2026-12-31, an RFC 3339 time, or never [default: unchanged]
    #[arg(long, value_name = "WHEN", value_parser = value::expiry)]
    pub(crate) expires: Option<Expiry>,
    /// Idempotency key of this rotation, 1 to 255 ASCII characters
    #[arg(long, value_name = "KEY", value_parser = value::idempotency_key)]
    pub(crate) idempotency_key: Option<String>,
}

/// Arguments of `token revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevokeArgs {
    /// The ids of the tokens
    #[arg(required = true, value_name = "ID", value_parser = value::Id)]
    pub(crate) ids: Vec<TokenId>,
    /// Reason, stored with the token
    #[arg(long, value_name = "TEXT", value_parser = value::reason)]
    pub(crate) reason: Option<Reason>,
    /// Skip the confirmation prompt
    #[arg(long, short)]
    pub(crate) yes: bool,
}
