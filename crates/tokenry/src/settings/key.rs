//! All keys with their types and defaults: one table for the file and the environment.

use std::{fmt, ops::RangeInclusive};

/// One setting, addressed as `[section] name` in the file and as `TOKENRY_SECTION__NAME` in the environment.
pub(super) struct Key {
    /// The table in the file; empty for top-level keys.
    section: &'static str,
    name: &'static str,
    pub(super) preset: Preset,
}

/// The type of a key together with its default.
pub(super) enum Preset {
    Text(&'static str),
    /// The default and the permitted range.
    Integer(u32, RangeInclusive<u32>),
    Switch(bool),
    /// A list of texts, empty by default.
    List,
}

/// What a value must be, for error messages.
pub(super) const EXPECTED_TEXT: &str = "must be a quoted string";
pub(super) const EXPECTED_SWITCH: &str = "must be true or false";
pub(super) const EXPECTED_LIST: &str = "must be a list of strings, such as [\"a\", \"b\"]";

/// Structured settings, available only in the file: the name and how the table is written.
static STRUCTURED: &[(&str, &str)] = &[
    ("catalog", "[catalog]"),
    ("issuers", "[[issuers]]"),
    ("providers", "[[providers]]"),
    (FIELDS, "[api.fields]"),
];

/// The names of the fields of tokens: a table within the table of other keys.
pub(super) const FIELDS: &str = "api.fields";

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $id:ident = $section:literal $name:literal $preset:expr;)*) => {
        $($(#[doc = $doc])+ pub(super) static $id: Key = Key { section: $section, name: $name, preset: $preset };)*
        /// All keys, the most commonly used first.
        pub(super) static ALL: &[&Key] = &[$(&$id),*];
    };
}

use Preset::{Integer, List, Switch, Text};

const MANY: RangeInclusive<u32> = 0..=1_000_000;
const CENTURY: RangeInclusive<u32> = 0..=36_500;

keys! {
    /// Address and port of the HTTP server.
    LISTEN = "" "listen" Text("127.0.0.1:8080");
    /// `sqlite://path` or `postgres://user:password@host/database`.
    DATABASE_URL = "" "database_url" Text("sqlite://tokenry.db");
    /// Whether the web page is served; a build without the feature `ui` has none.
    UI = "" "ui" Switch(true);
    /// The path of the API of a user's own tokens. Only this path answers.
    TOKENS_PATH = "api" "tokens_path" Text("/api/v1/tokens");
    /// How requests and responses of that API have scopes: `list`, or `text` with spaces between them.
    SCOPES_FORMAT = "api" "scopes_format" Text("list");
    /// Whether PUT on a token does the same as PATCH.
    PUT_UPDATES = "api" "put_updates" Switch(false);
    /// The header of forward-auth with the id of the token's owner.
    USER_HEADER = "identity_headers" "user" Text("X-Resource-User");
    /// The same with their subject.
    SUBJECT_HEADER = "identity_headers" "subject" Text("X-Resource-Subject");
    /// The same with their role.
    ROLE_HEADER = "identity_headers" "role" Text("X-Resource-Role");
    /// The same with the effective scopes of the token.
    SCOPES_HEADER = "identity_headers" "scopes" Text("X-Resource-Scopes");
    /// The same with the id of the token.
    TOKEN_ID_HEADER = "identity_headers" "token_id" Text("X-Resource-Token-Id");
    /// Whether `Authorization: Basic` presents a token, and where: `off`, `password`, `username` or `either`.
    BASIC = "credentials" "basic" Text("off");
    /// Whether `Authorization: token …` presents a token.
    TOKEN_SCHEME = "credentials" "token_scheme" Switch(false);
    /// Other headers that present a token, such as `X-API-Key`.
    CREDENTIAL_HEADERS = "credentials" "headers" List;
    /// Whether Tokenry's own API accepts these forms too, besides forward-auth.
    CREDENTIALS_IN_API = "credentials" "api" Switch(false);
    /// The URL of the resource that this server guards, as clients of OAuth are configured with it; empty is none.
    RESOURCE_URL = "protected_resource" "url" Text("");
    /// The issuers of the authorization servers whose tokens it accepts; required by the URL.
    AUTHORIZATION_SERVERS = "protected_resource" "authorization_servers" List;
    /// The scopes for which a client may ask these servers.
    RESOURCE_SCOPES = "protected_resource" "scopes" List;
    /// The language of the page for a browser whose user chose none: `auto` follows the browser, `en` or `zh`.
    LANGUAGE = "page" "language" Text("auto");
    /// Whether the first start creates a user `admin` and a first token. Without it, JWTs or the command line create users.
    BOOTSTRAP = "bootstrap" "enabled" Switch(true);
    /// The prefix of every token.
    PREFIX = "token" "prefix" Text("pat_");
    /// Former prefixes, which are still accepted.
    FORMER_PREFIXES = "token" "former_prefixes" List;
    /// The hash scheme of stored secrets: `bcrypt`, `sha256`, `hmac-sha256` or `argon2id`.
    HASH = "token" "hash" Text("bcrypt");
    /// The cost of bcrypt: each step doubles the time of a token's first use.
    BCRYPT_COST = "token" "bcrypt_cost" Integer(6, 4..=14);
    /// When a slow hash is computed: `once` per token, or `always` for once more in each process.
    SLOW_HASH = "token" "slow_hash" Text("once");
    /// Whether the hash of an imported token is replaced at its first use by one of the configured scheme.
    REHASH_IMPORTED = "token" "rehash_imported" Switch(false);
    /// Files with one pepper each; the first is for new tokens, the second for tokens stored before a key change.
    PEPPER_FILES = "token" "pepper_files" List;
    /// One or two peppers from a secret store, separated by a comma. Never printed.
    PEPPER = "token" "pepper" Text("");
    /// Live tokens per user; 0 is no limit.
    MAX_LIVE_TOKENS = "limits" "max_live_tokens" Integer(10, MANY);
    /// Creations per user within any hour; 0 is no limit.
    CREATIONS_PER_HOUR = "limits" "creations_per_hour" Integer(5, MANY);
    /// Failed verifications per source address; 0 is no limit.
    FAILURES_PER_MINUTE = "limits" "failures_per_minute" Integer(30, MANY);
    /// Management requests per user; 0 is no limit.
    MANAGEMENT_PER_MINUTE = "limits" "management_per_minute" Integer(60, MANY);
    /// Lifetime in days of a token without a requested expiry; 0 is unlimited and requires `allow_never`.
    DEFAULT_DAYS = "lifetime" "default_days" Integer(90, CENTURY);
    /// The maximum lifetime in days; 0 is no maximum. A longer default is reduced to it.
    MAX_DAYS = "lifetime" "max_days" Integer(365, CENTURY);
    /// Whether a token may have no expiry.
    ALLOW_NEVER = "lifetime" "allow_never" Switch(false);
    /// Days without use after which a token expires; 0 is never.
    IDLE_DAYS = "lifetime" "idle_days" Integer(0, CENTURY);
    /// The maximum grace period of the old secret after a rotation, in seconds.
    MAX_GRACE_SECONDS = "rotation" "max_grace_seconds" Integer(86_400, 0..=2_592_000);
    /// The reaction to the use of a retired secret: `record`, `alert` or `revoke`.
    ON_REUSE = "rotation" "on_reuse" Text("alert");
    /// Days for which revoked and expired tokens are kept; 0 is for ever.
    DEAD_TOKENS_DAYS = "retention" "dead_tokens_days" Integer(90, CENTURY);
    /// A file with the public keys by which GitHub signs reports of leaked tokens, in the form of GitHub's API.
    GITHUB_KEYS_FILE = "leaks" "github_keys_file" Text("");
    /// The URL of these keys, which are fetched then.
    GITHUB_KEYS_URL = "leaks" "github_keys_url" Text("");
    /// Whether uses of tokens are counted.
    USAGE_ENABLED = "usage" "enabled" Switch(true);
    /// The time span whose uses share one row, such as `10s` or `1h`; `0s` writes a row for every use.
    USAGE_BUCKET = "usage" "bucket" Text("1m");
    /// Days for which usage counts are kept; 0 is for ever.
    USAGE_DAYS = "usage" "retention_days" Integer(90, CENTURY);
    /// The maximum lifetime of a browser session.
    SESSION_LIFETIME = "session" "lifetime" Text("12h");
    /// The idle timeout of a browser session; `0s` is none.
    SESSION_IDLE = "session" "idle" Text("1h");
    /// Whether a bearer credential is used where a request also has a session cookie; otherwise it is rejected.
    BEARER_PRECEDENCE = "session" "bearer_precedence" Switch(false);
    /// The header in which a trusted proxy names the user; empty disables sign-in through a proxy.
    PROXY_USER_HEADER = "session" "proxy_user_header" Text("");
    /// The prefix put before that name, so that a proxy cannot name other users.
    PROXY_SUBJECT_PREFIX = "session" "proxy_subject_prefix" Text("");
    /// Whether an unknown user named by the proxy is created.
    PROXY_CREATES_USERS = "session" "proxy_creates_users" Switch(false);
    /// Proxies whose `X-Forwarded-*` headers are trusted, as addresses or networks.
    TRUSTED_PROXIES = "server" "trusted_proxies" List;
    /// The URL at which browsers reach this server, such as `https://tokens.example.com`; needed for `[[providers]]`.
    PUBLIC_URL = "server" "public_url" Text("");
    /// How long a node may decide from memory after it has last proven that it knows every change (PostgreSQL); shorter
    /// than the failover time of the database.
    LEASE = "server" "lease" Text("2s");
    /// The memory for rows of tokens, such as `64MiB`.
    CACHE = "server" "cache" Text("64MiB");
    /// The maximum age of a row in memory (PostgreSQL): the bound for changes past Tokenry that no trigger reports.
    MAX_ROW_AGE = "server" "max_row_age" Text("5s");
    /// The file in which a node keeps what was taken away within the last hour (PostgreSQL): a path, `off`, or `auto` for
    /// `journal` in the directory that systemd gives the service, if it gives one.
    JOURNAL = "server" "journal" Text("auto");
    /// The maximum age of a row that admits a token while the database is away, such as `10s`; `0s` admits none.
    MAX_STALENESS = "server" "max_staleness" Text("0s");
    /// Address and port of a listener that serves only `/metrics`, without authentication; empty is none.
    METRICS_LISTEN = "metrics" "listen" Text("");
    /// Worker threads; 0 is one per core.
    WORKERS = "server" "workers" Integer(0, 0..=1024);
    /// The maximum number of database connections.
    POOL_SIZE = "database" "pool_size" Integer(8, 1..=1000);
    /// How long a request waits for a connection before it is answered with 503.
    POOL_WAIT = "database" "pool_wait" Text("2s");
    /// The log filter: a level, or directives such as `info,tokenry_store=debug`.
    LOG_FILTER = "log" "filter" Text("info");
    /// `text` or `json`.
    LOG_FORMAT = "log" "format" Text("text");
}

impl Key {
    /// The key `[section] name` of the file.
    pub(super) fn find(section: &str, name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|key| key.section == section && key.name == name)
    }

    /// Whether this is a table of the file.
    pub(super) fn is_section(name: &str) -> bool {
        !name.is_empty() && ALL.iter().any(|key| key.section == name)
    }

    /// Whether this is the name of a structured setting.
    pub(super) fn is_structured(name: &str) -> bool {
        STRUCTURED.iter().any(|(structured, _)| *structured == name)
    }

    /// The table of the structured setting that this variable tries to set.
    pub(super) fn structured_variable(variable: &str) -> Option<&'static str> {
        let is_of = |structured: &str| {
            let rest = variable
                .strip_prefix("TOKENRY_")?
                .strip_prefix(&structured.replace('.', "__").to_ascii_uppercase())?;
            (rest.is_empty() || rest.starts_with('_')).then_some(())
        };
        STRUCTURED.iter().find(|(structured, _)| is_of(structured).is_some()).map(|(_, written)| *written)
    }

    /// Its name in the environment.
    pub(super) fn variable(&self) -> String {
        let section = if self.section.is_empty() { String::new() } else { format!("{}__", self.section) };
        format!("TOKENRY_{section}{}", self.name).to_ascii_uppercase()
    }

    /// The key most similar to `[section] name`.
    pub(super) fn nearest(section: &str, name: &str) -> Option<&'static Self> {
        // The table only decides between equally similar names.
        let distance = |key: &&&Self| (strsim::osa_distance(key.name, name), key.section != section);
        ALL.iter().min_by_key(distance).copied()
    }

    /// The most similar table of the file, as it is written there.
    pub(super) fn nearest_section(name: &str) -> Option<String> {
        let sections = ALL.iter().map(|key| key.section).filter(|section| !section.is_empty());
        let sections = sections.map(|section| (section, format!("[{section}]")));
        let structured = STRUCTURED.iter().map(|(structured, written)| (*structured, (*written).to_owned()));
        let nearest =
            sections.chain(structured).min_by_key(|(section, _)| strsim::osa_distance(section, name));
        nearest.map(|(_, written)| written)
    }

    /// What the value must be, for error messages.
    pub(super) fn expected(&self) -> String {
        match &self.preset {
            Text(_) => EXPECTED_TEXT.to_owned(),
            Integer(_, range) => format!("must be a whole number from {} to {}", range.start(), range.end()),
            Switch(_) => EXPECTED_SWITCH.to_owned(),
            List => EXPECTED_LIST.to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.section.is_empty() {
            f.write_str(self.name)
        } else {
            write!(f, "[{}] {}", self.section, self.name)
        }
    }
}
