//! Every command and option, in one place.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Develops, checks and migrates Tokenry.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every test, on SQLite and on a private PostgreSQL
    ///
    /// Starts a throw-away PostgreSQL in a temporary folder, runs all tests and doctests against it and against
    /// SQLite, and removes it again. Set TOKENRY_TEST_POSTGRES_URL to use a server of your own instead; each test
    /// makes its own database there.
    ///
    /// If PostgreSQL is missing it is installed when that needs no question (root on Debian or Fedora); otherwise
    /// the command to install it is shown and the tests run on SQLite only. When CI is set, that is a failure. The
    /// same goes for nginx and Caddy, with which the recipes for them are tested, for Chromium and ChromeDriver,
    /// with which the page is, for npm, which fetches axe-core once, and for Node.js and Python, with which the clients
    /// are tested; npm and pip fetch their packages once.
    Test(TestFlags),

    /// Run what must pass before a change is merged
    ///
    /// Formatting, clippy, tidy, packages, the OpenAPI file, all tests, documentation, and the dependencies. Stops at
    /// the first step that fails. The first run compiles cargo-machete and cargo-deny into the target folder; known
    /// vulnerabilities are checked only where the database of advisories can be fetched.
    Ci,

    /// Check the rules of this repository that no compiler checks
    ///
    /// Layers between crates, circles within them, names, file sizes, migrations, and that the documents name only
    /// what exists. The same rules are tests of this package, so `cargo test` checks them too.
    Tidy,

    /// Create, run, revert or list database migrations
    Migrate {
        #[command(subcommand)]
        action: MigrateAction,
    },

    /// Write docs/api/*.txt, the public items of each published library, from the code
    Api {
        /// Write nothing; fail if a file differs from the code
        #[arg(long)]
        check: bool,
    },

    /// Write docs/openapi.json from the code
    Openapi {
        /// Write nothing; fail if the file differs from the code
        #[arg(long)]
        check: bool,
    },

    /// Write the types of clients/typescript from docs/openapi.json
    ///
    /// npm fetches openapi-typescript, pinned by the client's lock file.
    Client {
        /// Write nothing; fail if the types differ from the description
        #[arg(long)]
        check: bool,
    },

    /// Package every published crate as for crates.io, and check that each package is complete
    ///
    /// Writes target/package/*.crate. Each must contain its readme, its licences and what it embeds when it is compiled.
    Package {
        /// Also compile each crate from its package, which takes minutes
        #[arg(long)]
        verify: bool,
    },

    /// Renew the screenshots of docs/GUIDE.md
    Guide,

    /// Start the private PostgreSQL of `test` and keep it until Ctrl-C or the end of a command
    ///
    /// Prints TOKENRY_TEST_POSTGRES_URL=... on stdout. Given a command after `--`, sets this variable, runs the
    /// command, and stops: `cargo xtask postgres -- cargo test -p tokenry-store`.
    Postgres(PostgresFlags),

    /// Measure Tokenry against its goals, release build, on this machine alone
    ///
    /// Prints a table and writes target/bench/report.json, .md and .svg. What each row is: docs/PERFORMANCE.md.
    /// A private PostgreSQL is started for it, with durability on.
    Bench(BenchFlags),

    /// Look for tokens that are accepted after the answer to their revocation, while a real cluster breaks
    ///
    /// Three PostgreSQL servers under Patroni with etcd and HAProxy, and nodes of the server, all on loopback in a
    /// temporary folder. Each scenario breaks something while clients verify and revoke; each acceptance of a token that
    /// was sent after its revocation was answered is printed, and fails the run. Patroni, etcd and HAProxy are
    /// installed when that needs no question (root on Debian or Fedora). Linux only.
    Chaos(ChaosFlags),

    /// Own a PostgreSQL until stdin ends (started by `test` and `postgres`, not by people)
    #[command(hide = true)]
    PostgresGuard {
        /// The folder that holds `initdb` and `pg_ctl`
        bin_dir: PathBuf,
        /// Survive a crash of the machine
        #[arg(long)]
        durable: bool,
    },

    /// End every process of a folder when stdin ends (started by `chaos`, not by people)
    #[command(hide = true)]
    ChaosGuard {
        /// The folder in which the processes work
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ChaosFlags {
    /// Which scenarios, separated by commas; all if none is named
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) scenario: Vec<String>,

    /// List the scenarios and end
    #[arg(long)]
    pub(crate) list: bool,

    /// How often each scenario breaks something; each has its own small number if this is not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: Option<u32>,

    /// What the random choices of `mixed` begin with; it is printed when it is not given
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// The server program; the debug build of the workspace if none is given
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,

    /// The setting `server.lease` of the nodes, in milliseconds
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    pub(crate) lease: u64,

    /// Keep the folder with the databases also after a success
    #[arg(long)]
    pub(crate) keep: bool,

    /// Never install anything, only use what is there
    #[arg(long)]
    pub(crate) no_install: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchFlags {
    /// On which databases
    #[arg(long, value_enum, default_value_t = BenchBackend::Both)]
    pub(crate) backend: BenchBackend,

    /// Which rows, separated by commas; all if none is named
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub(crate) rows: Vec<String>,

    /// How often each side of a row is measured
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u8,

    /// Small sizes and short rounds: whether it works, no figures
    #[arg(long)]
    pub(crate) quick: bool,

    /// Tokens of the large database; ten million need 10 GB of disk and some minutes
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) tokens_large: u64,

    /// Keep filled SQLite databases under target/bench/data for the next run
    #[arg(long)]
    pub(crate) keep: bool,

    /// Replace the table of results in docs/PERFORMANCE.md, which is of a whole run
    #[arg(long, conflicts_with_all = ["rows", "quick"])]
    pub(crate) write_docs: bool,

    /// Never install PostgreSQL, only use what is there
    #[arg(long)]
    pub(crate) no_install: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchBackend {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Debug, Args)]
pub(crate) struct TestFlags {
    /// Never install PostgreSQL, a proxy, a browser, npm, Node.js or Python, only use what is there
    #[arg(long)]
    pub(crate) no_install: bool,

    /// Passed to `cargo nextest run` (or `cargo test`): filters, `-p CRATE`, ...; doctests are then left out
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) runner_args: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct PostgresFlags {
    /// Never install PostgreSQL, only use what is there
    #[arg(long)]
    pub(crate) no_install: bool,

    /// The command to run while the server is up
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateAction {
    /// Apply every pending migration
    Run(DatabaseFlags),
    /// Undo the newest applied migration
    Revert(DatabaseFlags),
    /// List the migrations and whether each is applied
    Status(DatabaseFlags),
    /// Write empty up.sql and down.sql under migrations/sqlite and migrations/postgres
    New {
        /// What the migration does, in snake_case: add_token_note
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DatabaseFlags {
    /// sqlite://FILE or postgres://...; else TOKENRY_DATABASE_URL, else DATABASE_URL, else sqlite://tokenry.db
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}
