//! Parses database addresses.

#[cfg(feature = "postgres")]
mod host;
#[cfg(feature = "postgres")]
mod keyword;
#[cfg(feature = "postgres")]
mod server;

use std::{fmt, path::PathBuf, str::FromStr};

use thiserror::Error;

#[cfg(feature = "postgres")]
pub(crate) use self::server::Server;

/// A validated database address. It may contain a password, so it has no `Debug`; [`fmt::Display`] omits the password.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Location);

#[derive(Clone)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "no SQLite addresses without the feature"))]
pub(crate) enum Location {
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Box<Server>),
}

/// Why an address was rejected; the text describes what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither `sqlite://` nor `postgres://`.
    #[error("must begin with sqlite:// or postgres://")]
    Scheme,
    /// `sqlite://` without a file, in memory or with parameters.
    #[error("must name a file, such as sqlite://tokenry.db, without parameters")]
    File,
    /// `postgres://` with a host, user, password or database that cannot be parsed.
    #[error(
        "must have the form postgres://user:password@host:5432/database, with / ? # @ in the password written as %2F %3F \
         %23 %40 and the folder of a socket as %2Frun%2Fpostgresql"
    )]
    Host,
    /// A parameter of `postgres://` that is unknown or could select another server.
    #[error(
        "has a parameter that is not allowed or not written as name=value: name the server by its host only, never by \
         hostaddr or service"
    )]
    Parameter,
    /// A setting occurs twice, and programs differ in which one they use.
    #[error("sets {0} more than once")]
    Twice(&'static str),
    /// `target_session_attrs` allows a read-only server.
    #[error("must have target_session_attrs=read-write or primary, or leave it out")]
    Standby,
    /// Whitespace at the beginning or the end.
    #[error("begins or ends with a blank or a line break")]
    Blank,
    /// A remote server without an encrypted connection.
    #[error(
        "would send secrets unencrypted to {host}: build with the feature `postgres-tls` and set sslmode=verify-full, \
         or add ?sslmode=disable if the network is trusted"
    )]
    Unencrypted {
        /// The host in the address.
        host: String,
    },
    /// A database that this build does not support.
    #[error("names a database that this build does not support (feature `{0}`)")]
    LeftOut(&'static str),
}

impl DatabaseUrl {
    /// The SQLite file, if it is one.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&std::path::Path> {
        match &self.0 {
            Location::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            Location::Postgres(_) => None,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() != text {
            return Err(UrlError::Blank);
        }
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
    if path.is_empty()
        || path.ends_with('/')
        || path.contains(|c: char| c.is_control() || [':', '?', '#'].contains(&c))
    {
        return Err(UrlError::File);
    }
    Ok(DatabaseUrl(Location::Sqlite(PathBuf::from(path))))
}

#[cfg(feature = "postgres")]
fn postgres(text: &str) -> Result<DatabaseUrl, UrlError> {
    Server::parse(text).map(|server| DatabaseUrl(Location::Postgres(Box::new(server))))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<DatabaseUrl, UrlError> {
    Err(UrlError::LeftOut("postgres"))
}

/// Decodes percent-encoding; `None` if libpq would reject it, or if the result is not UTF-8 or contains NUL.
#[cfg(feature = "postgres")]
fn decode(text: &str) -> Option<String> {
    if !text.split('%').skip(1).all(starts_with_hex_pair) {
        return None;
    }
    let text = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    (!text.contains('\0')).then(|| text.into_owned())
}

#[cfg(feature = "postgres")]
fn starts_with_hex_pair(text: &str) -> bool {
    text.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
}

impl fmt::Display for DatabaseUrl {
    /// The address without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            #[cfg(feature = "postgres")]
            Location::Postgres(server) => server.fmt(f),
        }
    }
}

#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod tests;
