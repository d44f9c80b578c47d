//! Where the database is: the only place that reads schemes.

use std::{fmt, path::PathBuf, str::FromStr};

use thiserror::Error;

/// A checked database address. It may hold a password, so only [`fmt::Display`] shows it, without that.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Location);

#[derive(Clone)]
#[cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(dead_code, reason = "one backend is off")
)]
pub(crate) enum Location {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Why an address was refused; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither `sqlite://` nor `postgres://`.
    #[error("must begin with sqlite:// or postgres://")]
    Scheme,
    /// `sqlite://` without a file, in memory or with parameters.
    #[error("must name a file, such as sqlite://tokenry.db, without parameters")]
    File,
    /// `postgres://` without a host or database that can be read.
    #[error(
        "must look like postgres://user:password@host:5432/database, with / ? # @ in the password written as %2F %3F %23 %40"
    )]
    Host,
    /// A remote PostgreSQL over a connection that this build cannot encrypt.
    #[error(
        "would send secrets unencrypted to {host}: build with the feature `postgres-tls` and set sslmode=verify-full, \
         or add ?sslmode=disable if the network is trusted"
    )]
    Unencrypted {
        /// The host in the address.
        host: String,
    },
    /// The address is of a database this build leaves out.
    #[error("is of a database that this build leaves out (feature `{0}`)")]
    LeftOut(&'static str),
}

impl DatabaseUrl {
    /// The SQLite file, if it is one.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&std::path::Path> {
        match &self.0 {
            Location::Sqlite(path) => Some(path),
            Location::Postgres(_) => None,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            return sqlite(path);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return postgres(text);
        }
        Err(UrlError::Scheme)
    }
}

fn sqlite(path: &str) -> Result<DatabaseUrl, UrlError> {
    if !cfg!(feature = "sqlite") {
        return Err(UrlError::LeftOut("sqlite"));
    }
    if path.is_empty() || path.ends_with('/') || path.contains([':', '?', '\0', '#']) {
        return Err(UrlError::File);
    }
    Ok(DatabaseUrl(Location::Sqlite(PathBuf::from(path))))
}

fn postgres(text: &str) -> Result<DatabaseUrl, UrlError> {
    if !cfg!(feature = "postgres") {
        return Err(UrlError::LeftOut("postgres"));
    }
    let parts = Parts::of(text).ok_or(UrlError::Host)?;
    let tls = cfg!(feature = "postgres-tls");
    let chosen = |mode: &str| parts.parameter("sslmode") == Some(mode);
    let strict = ["require", "verify-ca", "verify-full"].into_iter().any(chosen);
    // SECURITY: libpq's default `prefer` falls back to plain text without a word.
    if !(parts.is_loopback() || chosen("disable") || (tls && strict)) {
        return Err(UrlError::Unencrypted { host: parts.host.to_owned() });
    }
    // A lost server must be noticed within seconds; whoever sets these parameters knows better.
    let mut url = text.to_owned();
    for (name, value) in
        [("connect_timeout", "2"), ("tcp_user_timeout", "10000"), ("application_name", "tokenry")]
    {
        if parts.parameter(name).is_none() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={value}"));
        }
    }
    Ok(DatabaseUrl(Location::Postgres(url)))
}

/// The parts of a `postgres://` address that decide whether it is safe to use.
struct Parts<'a> {
    user: Option<&'a str>,
    host: &'a str,
    database: &'a str,
    parameters: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (_, rest) = text.split_once("://")?;
        if rest.contains(|c: char| c.is_control() || c == ' ' || c == '#') {
            return None;
        }
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // SECURITY: a raw `/` or `?` in a password would end the authority early and show half of it as the host.
        if database.contains('@') || parameters.contains('@') {
            return None;
        }
        let (user, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(login.split_once(':').map_or(login, |(user, _)| user)), host),
            None => (None, authority),
        };
        Some(Self { user, host, database, parameters })
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }

    fn is_loopback(&self) -> bool {
        // `host=` and `hostaddr=` among the parameters win over the authority, so they must be local as well.
        let given = [self.parameter("host"), self.parameter("hostaddr")];
        std::iter::once(self.host)
            .chain(given.into_iter().flatten())
            .all(|hosts| hosts.split(',').all(is_local))
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let socket_folder =
        name.is_empty() || name.starts_with('/') || name.to_ascii_lowercase().starts_with("%2f");
    socket_folder
        || name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for DatabaseUrl {
    /// The address without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Location::Postgres(url) => match Parts::of(url) {
                Some(Parts { user: Some(user), host, database, .. }) => {
                    write!(f, "postgres://{user}@{host}/{database}")
                }
                Some(Parts { host, database, .. }) => write!(f, "postgres://{host}/{database}"),
                None => f.write_str("postgres://"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> UrlError {
        text.parse::<DatabaseUrl>().err().unwrap_or_else(|| panic!("{text} was accepted"))
    }

    #[test]
    fn only_files_and_servers_are_databases() {
        for text in ["", "tokenry.db", "mysql://x/y", "SQLITE://x", "http://x"] {
            assert_eq!(refused(text), UrlError::Scheme, "{text}");
        }
        for text in ["sqlite://", "sqlite://:memory:", "sqlite://x.db?mode=ro", "sqlite://folder/"] {
            assert_eq!(refused(text), UrlError::File, "{text}");
        }
        for text in [
            "postgres://a b/c",
            "postgres://me:hun/ter2@db/x",
            "postgres://me:hun?ter2@db/x",
            "postgres://me:x#y@db/t",
        ] {
            assert_eq!(refused(text), UrlError::Host, "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://me:hunter2@localhost/tokens?sslmode=disable".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://me@localhost/tokens");
        let url: DatabaseUrl = "postgres://me:p%40:x@127.0.0.1:5433/tokens".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://me@127.0.0.1:5433/tokens");
    }

    #[test]
    fn a_remote_server_without_encryption_must_be_asked_for() {
        for text in [
            "postgres://db.example.com/t",
            "postgres://u:p@10.0.0.1:5432/t",
            "postgres:///t?host=10.0.0.1",
            "postgres://localhost,db/t",
            "postgres://db/t?sslmode=prefer",
        ] {
            assert!(matches!(refused(text), UrlError::Unencrypted { .. }), "{text}");
        }
        for text in [
            "postgres://db/t?sslmode=disable",
            "postgres:///t",
            "postgres://%2Frun%2Fpg/t",
            "postgres://[::1]:5432/t",
            "postgresql://localhost/t",
            "postgres:///t?host=/run/pg",
        ] {
            assert!(text.parse::<DatabaseUrl>().is_ok(), "{text}");
        }
    }
}
