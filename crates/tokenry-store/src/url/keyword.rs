//! The keywords of libpq: which of them an address may set, and what is said where it sets none.
//!
//! libpq looks for every keyword that is not given in a service file, in the environment (`PGHOST`, `PGSSLMODE`, …) and
//! in the home folder. What could lead elsewhere or weaken the encryption is therefore always given. Left to the
//! environment is who asks (`PGUSER`, `PGPASSWORD`, `PGPASSFILE`, `PGSSLCERT`, `PGSSLKEY`) and what can only refuse more
//! servers (`PGREQUIREAUTH`, `PGREQUIREPEER`).

/// What an address may set, each once.
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

/// What libpq is told of a keyword that the address leaves out. It takes an empty text for its own default, where it is
/// not written out here because it refuses one.
pub(super) const FIXED: [(&str, &str); 30] = [
    // Never from an address.
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
    // An empty one is the user's.
    ("dbname", ""),
    ("application_name", "tokenry"),
    ("options", ""),
    // A lost server must be noticed within seconds; whoever sets these knows better.
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

/// Of a server on this machine; any other must be given one.
const DEFAULT_SSLMODE: &str = if cfg!(feature = "postgres-tls") { "prefer" } else { "disable" };
const DEFAULT_SSLCERTMODE: &str = if cfg!(feature = "postgres-tls") { "allow" } else { "disable" };
