//! `tokenry user …`

use clap::{ArgGroup, Args, Subcommand};
use tokenry_service::{Reason, Role, Subject, UserName};

use super::value;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user, who can then own tokens
    #[command(after_help = "Example:\n  tokenry user add alice --name \"Alice Liddell\" --role admin")]
    Add(AddArgs),
    /// List all users
    #[command(after_help = "Example:\n  tokenry user list --search example.com --output name")]
    List {
        /// Only those whose subject or name contains this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Show everything about a user, and how many live tokens they have
    Show {
        /// The user's id in the system they sign in to
        #[arg(value_parser = value::subject)]
        subject: Subject,
    },
    /// Change what a user is called or may do
    #[command(after_help = UPDATE_HELP)]
    Update(UpdateUserArgs),
    /// Refuse every token of a user until the user is enabled again
    Disable {
        /// The user's id in the system they sign in to
        #[arg(value_parser = value::subject)]
        subject: Subject,
    },
    /// Let a disabled user's tokens work again
    Enable {
        /// The user's id in the system they sign in to
        #[arg(value_parser = value::subject)]
        subject: Subject,
    },
    /// End every token of a user for good
    #[command(after_help = REVOKE_TOKENS_HELP)]
    RevokeTokens(RevokeTokensArgs),
    /// Remove a user with all their tokens; the audit log keeps what it tells of them
    #[command(after_help = "Example:\n  tokenry user delete alice --yes")]
    Delete(DeleteArgs),
}

const UPDATE_HELP: &str = "\
The role is the ceiling over all tokens of the user, from the next request on.

Examples:
  tokenry user update alice --role admin
  tokenry user update alice --subject alice@example.com --name \"Alice Liddell\"";

const REVOKE_TOKENS_HELP: &str = "\
The user stays and can be given new tokens. To keep the tokens and refuse them for a while, see `tokenry user disable`.

Example:
  tokenry user revoke-tokens alice --reason \"laptop lost\"";

/// Arguments of `user add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddArgs {
    /// The user's id in the system they sign in to
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// What people call them [default: the subject]
    #[arg(long, value_parser = value::user_name)]
    pub(crate) name: Option<UserName>,
    /// The ceiling over all their tokens; without a catalog user or admin [default: the least]
    #[arg(long)]
    pub(crate) role: Option<Role>,
}

/// Arguments of `user update`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct UpdateUserArgs {
    /// The user's id in the system they sign in to
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// Call them this
    #[arg(long, group = "change", value_parser = value::user_name)]
    pub(crate) name: Option<UserName>,
    /// Put this ceiling over all their tokens; without a catalog user or admin
    #[arg(long, group = "change")]
    pub(crate) role: Option<Role>,
    /// Know them by this id from now on
    #[arg(long = "subject", group = "change", value_name = "NEW", value_parser = value::subject)]
    pub(crate) new_subject: Option<Subject>,
}

/// Arguments of `user revoke-tokens`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevokeTokensArgs {
    /// The user's id in the system they sign in to
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// Why, for those who look at the tokens later
    #[arg(long, value_name = "TEXT", value_parser = value::reason)]
    pub(crate) reason: Option<Reason>,
    /// Do not ask, even on a terminal
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Arguments of `user delete`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeleteArgs {
    /// The user's id in the system they sign in to
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// Do not ask, even on a terminal
    #[arg(long, short)]
    pub(crate) yes: bool,
}
