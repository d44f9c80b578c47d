//! `tokenry user …`

use clap::{Args, Subcommand};
use tokenry_service::{Role, Subject, UserName};

use super::value;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user, who can then own tokens
    #[command(after_help = "Example:\n  tokenry user add alice --name \"Alice Liddell\" --role admin")]
    Add(AddArgs),
    /// List all users
    List,
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
}

/// Arguments of `user add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddArgs {
    /// The user's id in the system they sign in to
    #[arg(value_parser = value::subject)]
    pub(crate) subject: Subject,
    /// What people call them [default: the subject]
    #[arg(long, value_parser = value::user_name)]
    pub(crate) name: Option<UserName>,
    /// The ceiling over all their tokens: user or admin
    #[arg(long, default_value = "user")]
    pub(crate) role: Role,
}
