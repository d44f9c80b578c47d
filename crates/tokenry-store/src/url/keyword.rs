//! The libpq keywords that an address may set, and the values of all others.
//!
//! libpq takes each keyword that is not passed to it from a service file, the environment (`PGHOST`, `PGSSLMODE`, …) or the
//! home folder. So every keyword that could select another server or weaken the encryption is always passed. The
//! environment may still set the client's identity (`PGUSER`, `PGPASSWORD`, `PGPASSFILE`, `PGSSLCERT`, `PGSSLKEY`) and
//! keywords that can only reject more servers (`PGREQUIREAUTH`, `PGREQUIREPEER`).

/// The keywords that an address may set, each at most once.
pub(super) const ALLOWED: [&str; 32] = [
    "host",
    "port",
    "user",
    "password",
    "passfile",
    "dbname",
    "application_name",
    "options",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "target_session_attrs",
    "load_balance_hosts",
    "channel_binding",
    "require_auth",
    "requirepeer",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcertmode",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslcompression",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
];

/// The values of keywords that the address does not set. libpq takes an empty value for its default; where it rejects an
/// empty value, the default is written out.
pub(super) const FIXED: [(&str, &str); 30] = [
    // Not allowed in an address.
    ("hostaddr", ""),
    ("client_encoding", "UTF8"),
    ("replication", ""),
    ("gssencmode", "disable"),
    ("gsslib", ""),
    ("gssdelegation", "0"),
    ("krbsrvname", "postgres"),
    ("min_protocol_version", "3.0"),
    ("max_protocol_version", "3.0"),
    ("sslkeylogfile", ""),
    // An empty name means the name of the user.
    ("dbname", ""),
    ("application_name", "tokenry"),
    ("options", ""),
    // Detect a lost server within seconds; an address may override these.
    ("connect_timeout", "2"),
    ("tcp_user_timeout", "10000"),
    ("target_session_attrs", "read-write"),
    ("load_balance_hosts", "disable"),
    ("channel_binding", "prefer"),
    ("sslmode", DEFAULT_SSLMODE),
    ("sslnegotiation", "postgres"),
    ("sslcompression", "0"),
    ("sslrootcert", ""),
    ("sslpassword", ""),
    ("sslcertmode", DEFAULT_SSLCERTMODE),
    ("sslcrl", ""),
    ("sslcrldir", ""),
    ("sslsni", "1"),
    ("ssl_min_protocol_version", "TLSv1.2"),
    ("ssl_max_protocol_version", ""),
    ("keepalives", "1"),
];

/// For a server on this machine; a remote server needs an explicit `sslmode`.
const DEFAULT_SSLMODE: &str = if cfg!(feature = "postgres-tls") { "prefer" } else { "disable" };
const DEFAULT_SSLCERTMODE: &str = if cfg!(feature = "postgres-tls") { "allow" } else { "disable" };
