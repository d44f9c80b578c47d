//! Every key that can be set, with its type and its default: one table for the file and the environment.

use std::{fmt, ops::RangeInclusive};

use super::environment::FILE;

/// One setting, addressed as `[section] name` in the file and as `TOKENRY_SECTION__NAME` in the environment.
pub(super) struct Key {
    /// The table in the file; empty for the keys above all tables.
    section: &'static str,
    name: &'static str,
    pub(super) preset: Preset,
}

/// The type of a key together with its default.
pub(super) enum Preset {
    Text(&'static str),
    /// The default, and the least and the most it may be.
    Integer(u32, RangeInclusive<u32>),
    Switch(bool),
    /// A list of texts, empty by default.
    List,
}

/// What values have to be, for the message that refuses another.
pub(super) const EXPECTED_TEXT: &str = "must be a text in quotes";
pub(super) const EXPECTED_SWITCH: &str = "must be true or false";
pub(super) const EXPECTED_LIST: &str = "must be a list of texts, such as [\"a\", \"b\"]";

/// What is too rich for a table of keys and for the environment: its name in the file, and how it is written there.
static RICH: &[(&str, &str)] = &[("catalog", "[catalog]"), ("issuers", "[[issuers]]")];

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $id:ident = $section:literal $name:literal $preset:expr;)*) => {
        $($(#[doc = $doc])+ pub(super) static $id: Key = Key { section: $section, name: $name, preset: $preset };)*
        /// All keys, in the order in which people care.
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
    /// Whether the web page is served beside the API; a build without the feature `ui` has none.
    UI = "" "ui" Switch(true);
    /// What every token begins with.
    PREFIX = "token" "prefix" Text("pat_");
    /// What tokens began with before, which are still accepted.
    FORMER_PREFIXES = "token" "former_prefixes" List;
    /// How secrets are stored: `bcrypt`, `sha256`, `hmac-sha256` or `argon2id`.
    HASH = "token" "hash" Text("bcrypt");
    /// bcrypt's cost: each step doubles the work of a token's first use.
    BCRYPT_COST = "token" "bcrypt_cost" Integer(6, 4..=14);
    /// When a slow hash is done: `once` for each token, or `always` once more in each process.
    SLOW_HASH = "token" "slow_hash" Text("once");
    /// Files that hold a pepper each; the first is for new tokens, a second for those stored before a key change.
    PEPPER_FILES = "token" "pepper_files" List;
    /// The same from a secret store: one or two peppers, separated by a comma. Never printed.
    PEPPER = "token" "pepper" Text("");
    /// Live tokens per user; 0 is no limit.
    MAX_LIVE_TOKENS = "limits" "max_live_tokens" Integer(10, MANY);
    /// Creations per user within any hour; 0 is no limit.
    CREATIONS_PER_HOUR = "limits" "creations_per_hour" Integer(5, MANY);
    /// Failed verifications per source address; 0 is no limit.
    FAILURES_PER_MINUTE = "limits" "failures_per_minute" Integer(30, MANY);
    /// Management requests per user; 0 is no limit.
    MANAGEMENT_PER_MINUTE = "limits" "management_per_minute" Integer(60, MANY);
    /// Days a token lives that asks for no expiry; 0 is for ever and needs `allow_never`.
    DEFAULT_DAYS = "lifetime" "default_days" Integer(90, CENTURY);
    /// Days the longest token may live; 0 is no bound. A longer default is cut to it.
    MAX_DAYS = "lifetime" "max_days" Integer(365, CENTURY);
    /// Whether a token may live for ever.
    ALLOW_NEVER = "lifetime" "allow_never" Switch(false);
    /// Days without a use after which a token is over; 0 is never.
    IDLE_DAYS = "lifetime" "idle_days" Integer(0, CENTURY);
    /// The longest that the old secret works beside the new one after a rotation.
    MAX_GRACE_SECONDS = "rotation" "max_grace_seconds" Integer(86_400, 0..=2_592_000);
    /// What happens when a secret is used that a rotation took out of use: `record`, `alert` or `revoke`.
    ON_REUSE = "rotation" "on_reuse" Text("alert");
    /// Days for which dead tokens stay listed; 0 is for ever.
    DEAD_TOKENS_DAYS = "retention" "dead_tokens_days" Integer(90, CENTURY);
    /// Whether it is counted what tokens are used for.
    USAGE_ENABLED = "usage" "enabled" Switch(true);
    /// The span whose uses are counted in one row, such as `10s` or `1h`; `0s` writes a row for every use.
    USAGE_BUCKET = "usage" "bucket" Text("1m");
    /// Days for which the counts are kept; 0 is for ever.
    USAGE_DAYS = "usage" "retention_days" Integer(90, CENTURY);
    /// The longest that a sign-in of a browser lasts.
    SESSION_LIFETIME = "session" "lifetime" Text("12h");
    /// After how long without a request it is over; `0s` is never.
    SESSION_IDLE = "session" "idle" Text("1h");
    /// The header in which a trusted proxy names the user who signs in; empty is no such sign-in.
    PROXY_USER_HEADER = "session" "proxy_user_header" Text("");
    /// Put before that name, so that a proxy cannot speak of others' users.
    PROXY_SUBJECT_PREFIX = "session" "proxy_subject_prefix" Text("");
    /// Whether somebody whom the proxy names and who was never seen becomes a user.
    PROXY_CREATES_USERS = "session" "proxy_creates_users" Switch(false);
    /// Proxies whose `X-Forwarded-*` headers count, as addresses or networks.
    TRUSTED_PROXIES = "server" "trusted_proxies" List;
    /// How old the row may be that lets a token in, such as `500ms`; `0s` reads the database each time.
    MAX_STALENESS = "server" "max_staleness" Text("0s");
    /// Threads that answer requests; 0 is one for each core.
    WORKERS = "server" "workers" Integer(0, 0..=1024);
    /// The most connections held to the database.
    POOL_SIZE = "database" "pool_size" Integer(8, 1..=1000);
    /// How long a request waits for one of them before it is answered 503.
    POOL_WAIT = "database" "pool_wait" Text("2s");
    /// What is logged: a level, or directives such as `info,tokenry_store=debug`.
    LOG_FILTER = "log" "filter" Text("info");
    /// `text` or `json`.
    LOG_FORMAT = "log" "format" Text("text");
}

impl Key {
    /// The key of the file that is written `[section] name`.
    pub(super) fn find(section: &str, name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|key| key.section == section && key.name == name)
    }

    /// Whether the file has such a table.
    pub(super) fn is_section(name: &str) -> bool {
        !name.is_empty() && ALL.iter().any(|key| key.section == name)
    }

    /// Whether this is the name of what is too rich for this table.
    pub(super) fn is_rich(name: &str) -> bool {
        RICH.iter().any(|(structured, _)| *structured == name)
    }

    /// How that is written in the file for which someone took a variable of this name.
    pub(super) fn rich_variable(variable: &str) -> Option<&'static str> {
        let is_of = |structured: &str| {
            let rest = variable.strip_prefix("TOKENRY_")?.strip_prefix(&structured.to_ascii_uppercase())?;
            (rest.is_empty() || rest.starts_with('_')).then_some(())
        };
        RICH.iter().find(|(structured, _)| is_of(structured).is_some()).map(|(_, written)| *written)
    }

    /// Its name in the environment.
    pub(super) fn variable(&self) -> String {
        let section = if self.section.is_empty() { String::new() } else { format!("{}__", self.section) };
        format!("TOKENRY_{section}{}", self.name).to_ascii_uppercase()
    }

    /// The key that someone probably meant who wrote `[section] name`.
    pub(super) fn nearest(section: &str, name: &str) -> Option<&'static Self> {
        // The table only decides between names that are equally near.
        let distance = |key: &&&Self| (strsim::osa_distance(key.name, name), key.section != section);
        ALL.iter().min_by_key(distance).copied()
    }

    /// The table of the file that someone probably meant, as it is written there.
    pub(super) fn nearest_section(name: &str) -> Option<String> {
        let sections = ALL.iter().map(|key| key.section).filter(|section| !section.is_empty());
        let sections = sections.map(|section| (section, format!("[{section}]")));
        let structured = RICH.iter().map(|(structured, written)| (*structured, (*written).to_owned()));
        let nearest =
            sections.chain(structured).min_by_key(|(section, _)| strsim::osa_distance(section, name));
        nearest.map(|(_, written)| written)
    }

    /// The variable that someone probably meant.
    pub(super) fn nearest_variable(name: &str) -> Option<String> {
        let names = ALL.iter().map(|key| key.variable());
        let files = names.clone().filter(|_| name.ends_with(FILE)).map(|name| name + FILE);
        let all = names.chain(["TOKENRY_CONFIG", "TOKENRY_LOG"].map(str::to_owned)).chain(files);
        all.min_by_key(|known| strsim::osa_distance(known, name))
    }

    /// What its value has to be, for the message that refuses another.
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
