//! `tokenry user …`

use clap::{ArgGroup, Args, Subcommand};
use tokenry_service::{Reason, Role, Subject, UserName};

use super::value;

/// The `user` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user who can own tokens
    #[command(after_help = "Example:\n  tokenry user add alice --name \"Alice Liddell\" --role admin")]
    Add(AddArgs),
    /// List all users
    #[command(after_help = "Example:\n  tokenry user list --search example.com --output name")]
    List {
        /// Only users whose subject or name contains this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Show all attributes of a user and the number of their live tokens
    Show {
        /// The user's id in the identity provider
        #[arg(value_parser = value::subject)]
        subject: Subject,
    },
    /// Update the name, role or subject of a user
    #[command(after_help = UPDATE_HELP)]
    Update(UpdateUserArgs),
    /// Disable a user: all their tokens are refused until the user is enabled again
    Disable {
        /// The user's id in the identity provider
        #[arg(value_parser = value::subject)]
        subject: Subject,
    },
    /// Enable a disabled user: their tokens work again
    Enable {
        /// The user's id in the identity provider
        #[arg(value_parser = value::subject)]
        subject: Subject,
    },
    /// Revoke all tokens of a user permanently
    #[command(after_help = REVOKE_TOKENS_HELP)]
    RevokeTokens(RevokeTokensArgs),
    /// Delete a user and all their tokens; the audit log keeps their events
    #[command(after_help = "Example:\n  tokenry user delete alice --yes")]
    Delete(DeleteArgs),
}

const UPDATE_HELP: &str = "\
The role limits all tokens of the user, effective from the next request.

Examples:
  tokenry user update alice --role admin
  tokenry user update alice --subject alice@example.com --name \"Alice Liddell\"";

const REVOKE_TOKENS_HELP: &str = "\
The user remains and can get new tokens. To refuse the tokens temporarily instead, see `tokenry user disable`.

Example:
  tokenry user revoke-tokens alice --reason \"laptop lost\"";

/// Arguments of `user add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddArgs {
    /// The user's id in the identity provider
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// Display name [default: the subject]
    #[arg(long, value_parser = value::user_name)]
    pub(crate) name: Option<UserName>,
    /// Role, which limits all their tokens; without a catalog: user or admin [default: the lowest]
    #[arg(long)]
    pub(crate) role: Option<Role>,
}

/// Arguments of `user update`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct UpdateUserArgs {
    /// The user's id in the identity provider
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// New display name
    #[arg(long, group = "change", value_parser = value::user_name)]
    pub(crate) name: Option<UserName>,
    /// New role, which limits all their tokens; without a catalog: user or admin
    #[arg(long, group = "change")]
    pub(crate) role: Option<Role>,
    /// New subject
    #[arg(long = "subject", group = "change", value_name = "NEW", value_parser = value::subject)]
    pub(crate) new_subject: Option<Subject>,
}

/// Arguments of `user revoke-tokens`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevokeTokensArgs {
    /// The user's id in the identity provider
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// Reason, stored with the tokens
    #[arg(long, value_name = "TEXT", value_parser = value::reason)]
    pub(crate) reason: Option<Reason>,
    /// Skip the confirmation prompt
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Arguments of `user delete`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeleteArgs {
    /// The user's id in the identity provider
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// Skip the confirmation prompt
    #[arg(long, short)]
    pub(crate) yes: bool,
}
