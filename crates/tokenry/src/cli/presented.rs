//! The commands that read a token from standard input.

use std::net::IpAddr;

use clap::Args;
use tokenry_service::{Reason, Scope};

use super::value;

pub(super) const CHECK_HELP: &str = "\
The exit status is 0 if the text is a well-formed token with a prefix of this instance, or has the shape of tokens \
that were imported into the database, else 5. A well-formed \
token may still be unknown, expired or revoked; `tokenry verify` knows.

Example:
  tokenry check - < secret.txt";

pub(super) const VERIFY_HELP: &str = "\
Decides as the server does, and counts no use of the token. The exit status is 0 if the token is valid and has the scopes, \
else 5.

Examples:
  tokenry verify - < secret.txt
  tokenry verify - --scope projects:read --ip 10.0.0.7 --output json < secret.txt";

pub(super) const INSPECT_HELP: &str = "\
Shows the token of a secret, also one that is revoked, expired or rotated. Nothing is changed and no use is counted. The \
exit status is 5 if no token has or had this secret.

Example:
  tokenry inspect - < found.txt";

pub(super) const REVOKE_HELP: &str = "\
The secret of a rotation's grace period revokes the token too; one that no longer works does not: whoever finds an old \
secret must not be able to stop the new one. Use its id then, which `tokenry inspect -` shows.

Examples:
  tokenry revoke - < secret.txt
  tokenry revoke - --reason leaked --quiet < found.txt";

/// Where a token is read.
#[derive(Debug, Clone, Args)]
pub(crate) struct PresentedArgs {
    /// `-` reads the token from standard input; a token is never passed as an argument
    #[arg(value_name = "-", hide_default_value = true, default_value = "-")]
    pub(crate) input: String,
}

/// Arguments of `verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) presented: PresentedArgs,
    /// Scope that the token must have; can be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<Scope>,
    /// The address that uses the token; without it, a token that is restricted to addresses is not valid
    #[arg(long, value_name = "ADDR")]
    pub(crate) ip: Option<IpAddr>,
}

/// Arguments of `revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevokePresentedArgs {
    #[command(flatten)]
    pub(crate) presented: PresentedArgs,
    /// Reason, which is stored with the token and in the audit log
    #[arg(long, value_parser = value::reason)]
    pub(crate) reason: Option<Reason>,
}
