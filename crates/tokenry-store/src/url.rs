//! Where the database is: the only place that reads schemes.

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

/// A checked database address. It may hold a password, so only [`fmt::Display`] shows it, without that.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Location);

#[derive(Clone)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "nobody makes the address of a file"))]
pub(crate) enum Location {
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Box<Server>),
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
        "must look like postgres://user:password@host:5432/database, with / ? # @ in the password written as %2F %3F \
         %23 %40 and the folder of a socket as %2Frun%2Fpostgresql"
    )]
    Host,
    /// A parameter of `postgres://` that is unknown or could lead elsewhere.
    #[error(
        "has a parameter that is none of those allowed, each written name=value: the server is named as the host alone, \
         never by hostaddr or service"
    )]
    Parameter,
    /// One thing is said twice, and programs do not agree about which counts.
    #[error("says {0} more than once")]
    Twice(&'static str),
    /// `target_session_attrs` allows a server that cannot be written to.
    #[error("must have target_session_attrs=read-write or primary, or leave it out")]
    Standby,
    /// It has a blank or a line break at an end.
    #[error("begins or ends with a blank or a line break")]
    Blank,
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

/// The text that percent-encoding stands for; `None` where libpq would refuse it, or what it stands for is no text.
#[cfg(feature = "postgres")]
fn decode(text: &str) -> Option<String> {
    let is_encoded =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_encoded) {
        return None;
    }
    let text = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    (!text.contains('\0')).then(|| text.into_owned())
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
