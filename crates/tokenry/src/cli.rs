//! The grammar of the command line: nouns, then verbs.

mod audit;
mod import;
mod policy;
mod presented;
mod profile;
mod scan;
mod token;
mod user;
mod value;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::{
    audit::{AuditCommand, AuditListArgs},
    import::{ExportArgs, ImportArgs, RowFormat},
    policy::PolicyCommand,
    presented::{PresentedArgs, RevokePresentedArgs, VerifyArgs},
    profile::{InitArgs, ProfileCommand},
    scan::{PatternsArgs, ScanArgs},
    token::{CreateArgs, ListArgs, RevokeArgs, RotateArgs, TokenCommand, UpdateArgs, UsageArgs},
    user::{AddArgs, DeleteArgs, RevokeTokensArgs, UpdateUserArgs, UserCommand},
    value::{MetadataArg, json_object},
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
  git log -p | tokenry scan -

Settings:
  Flags override the environment, the environment overrides the file, the file overrides the profile,
  the profile overrides defaults.
  Every key of the file can also be set by a variable: [limits] max_live_tokens is
  TOKENRY_LIMITS__MAX_LIVE_TOKENS.
  TOKENRY_LOG sets the log filter of one run, such as debug. The log goes to standard error.

Exit status:
  0 success, 1 failure, 2 invalid usage or settings, 3 cancelled, 4 not authenticated or forbidden,
  5 a check failed or something was not found; `scan` has 1 for found tokens and 2 for an incomplete scan";

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Read settings from this file instead of ./tokenry.toml [env: TOKENRY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Settings of a known product, by the name of a profile or the path of its file [env: TOKENRY_PROFILE]
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// URL of the database [env: TOKENRY_DATABASE_URL, else DATABASE_URL] [default: sqlite://tokenry.db]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// Output format; `name` prints what other commands take as arguments
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Print only the requested output
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Human-readable columns.
    Table,
    /// The same objects as the HTTP API.
    Json,
    /// One id or subject per line.
    Name,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve HTTP requests until stopped
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Create, show, update, rotate and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Add, show, update, disable and delete the owners of tokens
    #[command(subcommand)]
    User(UserCommand),
    /// Read the audit log and verify its integrity
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check other settings against the existing tokens
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// List, show and check profiles: the settings of known products
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Write a commented settings file, of a profile or with the defaults
    Init(InitArgs),
    /// Record expired tokens in the audit log and delete tokens past their retention
    #[command(after_help = CLEANUP_HELP)]
    Cleanup {
        /// Trust this machine's clock although the audit log or the database contradicts it
        #[arg(long)]
        accept_clock: bool,
    },
    /// Check settings, database and audit log, and suggest how to fix faults
    #[command(after_help = DOCTOR_HELP)]
    Doctor,
    /// Import tokens of another system, which keep working
    #[command(after_help = import::IMPORT_HELP)]
    Import(ImportArgs),
    /// Write all tokens without secrets, in the format of `import`
    #[command(after_help = import::EXPORT_HELP)]
    Export(ExportArgs),
    /// Check the format and the checksum of a token; a database is not necessary
    #[command(after_help = presented::CHECK_HELP)]
    Check(PresentedArgs),
    /// Verify a token from standard input against the database
    #[command(after_help = presented::VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Show the token of a secret from standard input, its owner and its state
    #[command(after_help = presented::INSPECT_HELP)]
    Inspect(PresentedArgs),
    /// Revoke the token of a secret from standard input
    #[command(after_help = presented::REVOKE_HELP)]
    Revoke(RevokePresentedArgs),
    /// Find tokens of this instance in files, and print where without their secrets
    #[command(after_help = scan::SCAN_HELP)]
    Scan(ScanArgs),
    /// Print the patterns of this instance's tokens for scanners of leaked secrets
    #[command(after_help = scan::PATTERNS_HELP)]
    Patterns(PatternsArgs),
    /// List the processes that decide from memory, and how current they are (PostgreSQL)
    #[command(after_help = NODES_HELP)]
    Nodes,
    /// Migrate the tables of the database
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Print the OpenAPI description of the HTTP API
    Openapi,
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL", value_enum)]
        shell: Shell,
    },
}

const SERVE_HELP: &str = "\
The first start creates the database, the user `admin` and a bootstrap token, which is printed once.

Examples:
  tokenry serve
  tokenry serve --profile notebook
  tokenry serve --listen 0.0.0.0:8080 --database-url sqlite:///var/lib/tokenry/tokenry.db
  TOKENRY_LIMITS__MAX_LIVE_TOKENS=100 tokenry serve --config /etc/tokenry.toml";

const CLEANUP_HELP: &str = "\
Safe to run on several nodes at once. The audit log is never truncated. If this machine's clock may be wrong by more \
than a day, nothing is cleaned up and the exit status is 1. Use --accept-clock only after checking the clock: deleted \
rows cannot be restored.

Examples:
  tokenry cleanup
  tokenry cleanup --quiet --output json";

const DOCTOR_HELP: &str = "\
Nothing is changed: the database is neither created, repaired nor migrated. The exit status is 0 if all checks pass, \
5 if a check fails, 1 if a check cannot be run.

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
    /// Serve only the API, without the web page [env: TOKENRY_UI=false]
    #[arg(long)]
    pub(crate) no_ui: bool,
}

const NODES_HELP: &str = "\
A change is answered once every node has acknowledged it. A node that is SILENT did not renew its lease in time; the
next change waits for it and removes it.";

/// The `migrate` commands.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Apply all pending migrations
    Run,
    /// Revert the latest migration and delete the data that only it can store
    Revert {
        /// Skip the confirmation prompt
        #[arg(long, short)]
        yes: bool,
    },
    /// List the migrations and whether they are applied
    Status,
    /// Print the SQL that grants a PostgreSQL role exactly the rights that a server needs
    #[command(after_help = GRANTS_HELP)]
    Grants(GrantsArgs),
}

const GRANTS_HELP: &str = "\
Run the SQL as the owner of the tables, and again after each `tokenry migrate run`. The role must exist, and its \
search_path must include the schema.

Example:
  tokenry migrate grants --role tokenry_app | psql --set ON_ERROR_STOP=1 tokens";

/// Arguments of `migrate grants`.
#[derive(Debug, Clone, Args)]
pub(crate) struct GrantsArgs {
    /// The role with which `tokenry serve` connects
    #[arg(long, value_name = "NAME")]
    pub(crate) role: String,
    /// The schema of the tables
    #[arg(long, value_name = "NAME", default_value = "public")]
    pub(crate) schema: String,
}

impl Cli {
    /// The settings given on the command line.
    pub(crate) fn flags(&self) -> Flags {
        let (listen, no_ui) = match &self.command {
            Command::Serve(args) => (args.listen.clone(), args.no_ui),
            _ => (None, false),
        };
        let Global { config, profile, database_url, .. } = self.global.clone();
        Flags { config, profile, database_url, listen, no_ui }
    }
}

#[cfg(test)]
mod tests;
