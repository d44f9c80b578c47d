//! The grammar of the command line: nouns, then verbs.

mod audit;
mod policy;
mod token;
mod user;
mod value;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::{
    audit::{AuditCommand, AuditListArgs},
    policy::PolicyCommand,
    token::{CreateArgs, ListArgs, MetadataArg, RevokeArgs, RotateArgs, TokenCommand, UpdateArgs, UsageArgs},
    user::{AddArgs, DeleteArgs, RevokeTokensArgs, UpdateUserArgs, UserCommand},
    value::json_object,
};
use crate::settings::Flags;

/// Issues, manages and verifies personal access tokens.
#[derive(Debug, Parser)]
#[command(
    name = "tokenry",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = AFTER_HELP,
    after_long_help = AFTER_LONG_HELP
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

const AFTER_HELP: &str = "\
Examples:
  tokenry serve
  tokenry user add alice
  tokenry token create --user alice --name ci --scope projects:read --expires 30d
  tokenry token list --user alice --status active";

const AFTER_LONG_HELP: &str = "\
Examples:
  tokenry serve --listen 0.0.0.0:8080 --database-url postgres://tokenry@localhost/tokenry
  tokenry user add alice
  tokenry token create --user alice --name ci --scope projects:read --expires 30d
  tokenry token create --user alice --name ci --quiet > secret.txt
  tokenry token list --user alice --status active --output json
  tokenry token list --user alice --output name | xargs tokenry token revoke --yes
  tokenry policy check --proposed new.toml && mv new.toml tokenry.toml

Settings:
  A flag is stronger than the environment, that than the file, that than the default.
  Every key of the file is a variable too: [limits] max_live_tokens is
  TOKENRY_LIMITS__MAX_LIVE_TOKENS.
  TOKENRY_LOG sets what is logged to standard error for one run, such as debug.

Exit status:
  0 done, 1 failed, 2 wrong usage or settings, 3 cancelled, 4 not authenticated or forbidden,
  5 a check said no or something was not found";

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Read settings from this file instead of ./tokenry.toml [env: TOKENRY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where tokens are kept [env: TOKENRY_DATABASE_URL, else DATABASE_URL] [default: sqlite://tokenry.db]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// How the answer is written; names are what other commands take as arguments
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Print nothing but what was asked for
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// The same objects as the HTTP API.
    Json,
    /// One id or subject a line.
    Name,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer HTTP requests until told to stop
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Create, show, change, rotate and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Add, show, change, disable and delete the owners of tokens
    #[command(subcommand)]
    User(UserCommand),
    /// Read the audit log, and prove that it is whole
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Try other settings on the tokens there are
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Tell the audit log of expired tokens, and remove those dead for longer than they are kept
    #[command(after_help = CLEANUP_HELP)]
    Cleanup {
        /// Believe this machine's clock although the audit log or the database speaks against it.
        #[arg(long)]
        accept_clock: bool,
    },
    /// Check settings, database and audit log, and say what to do about what is wrong
    #[command(after_help = DOCTOR_HELP)]
    Doctor,
    /// Check the form and the checksum of a token, without a database
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Bring the tables of the database up to date
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Print the OpenAPI description of the HTTP API
    Openapi,
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// For which shell
        #[arg(value_name = "SHELL", value_enum)]
        outer_middleware: Shell,
    },
}

const SERVE_HELP: &str = "\
The first start creates the database, the user `admin` and a bootstrap token, which it prints once.

Examples:
  tokenry serve
  tokenry serve --listen 0.0.0.0:8080 --database-url sqlite:///var/lib/tokenry/tokenry.db
  TOKENRY_LIMITS__MAX_LIVE_TOKENS=100 tokenry serve --config /etc/tokenry.toml";

const CHECK_HELP: &str = "\
The exit status is 0 if the text is a well-formed token of this instance's prefix, else 5. A well-formed \
token can still be unknown, expired or revoked: that is for the server to say.

Example:
  tokenry check - < secret.txt";

const CLEANUP_HELP: &str = "\
Safe on several nodes at once. The audit log is never shortened. While the clock of this machine may be wrong by more \
than a day nothing is cleaned up, and the exit status is 1; --accept-clock is for an operator who has looked at it, since \
what a wrong clock removes does not come back.

Examples:
  tokenry cleanup
  tokenry cleanup --quiet --output json";

const DOCTOR_HELP: &str = "\
Nothing is repaired, and no database made or brought up to date. The exit status is 0 if all is well, 5 if a check \
says no, 1 if a check could not be made.

Examples:
  tokenry doctor
  tokenry doctor --config /etc/tokenry.toml --output json";

const COMPLETIONS_HELP: &str = "\
Example:
  tokenry completions bash > /etc/bash_completion.d/tokenry";

/// Arguments of `serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on [env: TOKENRY_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Serve the API alone, without the web page [env: TOKENRY_UI=false]
    #[arg(long)]
    pub(crate) no_ui: bool,
}

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// `-` reads the token from standard input; a token itself is never an argument
    #[arg(value_name = "-", hide_default_value = true, default_value = "-")]
    pub(crate) input: String,
}

/// What to do with the tables.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Apply every migration that is missing
    Run,
    /// Undo the latest migration, with the data it holds
    Revert {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// List the migrations and whether they were applied
    Status,
    /// Print the SQL that gives a role of PostgreSQL what a server needs, and nothing else
    #[command(after_help = GRANTS_HELP)]
    Grants(GrantsArgs),
}

const GRANTS_HELP: &str = "\
The owner of the tables runs it, again after each `tokenry migrate run`. The role must exist, and its search_path must \
lead to the schema.

Example:
  tokenry migrate grants --role tokenry_app | psql --set ON_ERROR_STOP=1 tokens";

/// Who is given what, and where.
#[derive(Debug, Clone, Args)]
pub(crate) struct GrantsArgs {
    /// The role that `tokenry serve` connects as
    #[arg(long, value_name = "NAME")]
    pub(crate) role: String,
    /// The schema of the tables
    #[arg(long, value_name = "NAME", default_value = "public")]
    pub(crate) schema: String,
}

impl Cli {
    /// What the command line says about settings.
    pub(crate) fn flags(&self) -> Flags {
        let (listen, no_ui) = match &self.command {
            Command::Serve(args) => (args.listen.clone(), args.no_ui),
            _ => (None, false),
        };
        let Global { config, database_url, .. } = self.global.clone();
        Flags { config, database_url, listen, no_ui }
    }
}

#[cfg(test)]
mod tests;
