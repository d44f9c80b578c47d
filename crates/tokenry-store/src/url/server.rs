//! The address of a PostgreSQL server: parsed once, and passed to libpq in an unambiguous form.

use std::{collections::BTreeMap, fmt};

use url::Url;

use super::{
    UrlError, decode,
    host::Host,
    keyword::{ALLOWED, FIXED},
};

/// The hosts and connection parameters of a server. It contains the password, so it has no `Debug`; [`fmt::Display`] omits
/// the password.
#[derive(Clone)]
pub(crate) struct Server {
    hosts: Vec<Host>,
    keywords: BTreeMap<&'static str, String>,
}

impl Server {
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
        let (hosts, keywords) = split(text)?;
        let server = Self { hosts, keywords };
        let attrs = server.keyword("target_session_attrs");
        if attrs.is_some_and(|attrs| !matches!(attrs, "read-write" | "primary")) {
            return Err(UrlError::Standby);
        }
        let tls = cfg!(feature = "postgres-tls");
        let strict = ["require", "verify-ca", "verify-full"];
        let chosen = server.keyword("sslmode");
        // SECURITY: libpq's default `prefer` silently falls back to plain text.
        let is_encrypted = tls && chosen.is_some_and(|mode| strict.contains(&mode));
        match server.hosts.iter().find(|host| !host.is_local()) {
            Some(host) if chosen != Some("disable") && !is_encrypted => {
                Err(UrlError::Unencrypted { host: host.name.to_string() })
            }
            _ => Ok(server),
        }
    }

    fn keyword(&self, name: &str) -> Option<&str> {
        self.keywords.get(name).map(String::as_str)
    }

    #[cfg(test)]
    pub(super) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The connection string for libpq. It sets every relevant keyword, so that neither the environment nor a file can.
    pub(crate) fn conninfo(&self) -> String {
        let names: Vec<_> = self.hosts.iter().map(|host| host.name.to_string()).collect();
        let ports: Vec<_> = self.hosts.iter().map(|host| host.port.to_string()).collect();
        let mut conninfo = String::new();
        add(&mut conninfo, "host", &names.join(","));
        add(&mut conninfo, "port", &ports.join(","));
        for (name, value) in &self.keywords {
            add(&mut conninfo, name, value);
        }
        for (name, value) in FIXED {
            if self.keyword(name).is_none() {
                add(&mut conninfo, name, value);
            }
        }
        conninfo
    }

    /// The texts that no error message may contain. A password equal to the user name is left out.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let secrets = ["password", "sslpassword"].into_iter().filter_map(|name| self.keyword(name));
        let user = self.keyword("user");
        secrets.filter(|secret| !secret.is_empty() && user != Some(*secret)).map(str::to_owned).collect()
    }
}

impl fmt::Display for Server {
    /// The address without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.keyword("user") {
            write!(f, "{user}@")?;
        }
        for (n, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if n == 0 { "" } else { "," })?;
        }
        write!(f, "/{}", self.keyword("dbname").unwrap_or_default())
    }
}

fn add(conninfo: &mut String, name: &str, value: &str) {
    let value = value.replace('\\', r"\\").replace('\'', r"\'");
    conninfo.push_str(&format!("{name}='{value}' "));
}

type Parts = (Vec<Host>, BTreeMap<&'static str, String>);

/// Splits an address into hosts and keywords. Only libpq supports several hosts, so each host is parsed in a URL of its own.
fn split(text: &str) -> Result<Parts, UrlError> {
    let (_, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // SECURITY: a raw `/`, `?` or `@` in a password would end it, and the rest would be parsed as the host.
    if rest.contains(is_forbidden) || authority.matches('@').count() > 1 || tail.contains('@') {
        return Err(UrlError::Host);
    }
    let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
    let at = if login.is_empty() { "" } else { "@" };
    // Without a host in the authority, the parameter `host` must name it; the parser needs a placeholder to accept a login.
    let names = if hosts.is_empty() { "placeholder" } else { hosts };
    let urls = names.split(',').map(|host| Url::parse(&format!("postgres://{login}{at}{host}{tail}")));
    let urls: Vec<Url> = urls.collect::<Result<_, _>>().map_err(|_| UrlError::Host)?;
    let named: Option<Vec<_>> = urls.iter().map(Host::of).collect();
    let named = named.ok_or(UrlError::Host)?;
    let url = urls.first().ok_or(UrlError::Host)?;
    // Not from the parser, which normalizes paths: a database may be named `..`.
    let path = tail.split('?').next().unwrap_or_default();
    let database = path.strip_prefix('/').unwrap_or_default();
    let mut keywords = BTreeMap::new();
    let parts =
        [("user", url.username()), ("password", url.password().unwrap_or_default()), ("dbname", database)];
    for (name, value) in parts {
        if !value.is_empty() {
            set(&mut keywords, name, decode(value).ok_or(UrlError::Host)?)?;
        }
    }
    parse_parameters(url.query(), &mut keywords)?;
    let parameters = (keywords.remove("host"), keywords.remove("port"));
    let hosts = match (hosts, parameters) {
        ("", (Some(names), ports)) => Host::list(&names, ports.as_deref()).ok_or(UrlError::Host)?,
        ("", (None, _)) => return Err(UrlError::Host),
        (_, (None, None)) => named,
        _ => return Err(UrlError::Twice("host")),
    };
    Ok((hosts, keywords))
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || c.is_whitespace() || c == '#'
}

/// Parses the parameters; `Url::query_pairs` is not used, since libpq does not decode `+` as a space.
fn parse_parameters(
    query: Option<&str>,
    keywords: &mut BTreeMap<&'static str, String>,
) -> Result<(), UrlError> {
    let Some(query) = query else { return Ok(()) };
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(UrlError::Parameter)?;
        let (Some(name), Some(value)) = (decode(name), decode(value)) else { return Err(UrlError::Host) };
        if pair.matches('=').count() > 1 {
            return Err(UrlError::Parameter);
        }
        let known = ALLOWED.into_iter().find(|known| *known == name).ok_or(UrlError::Parameter)?;
        set(keywords, known, value)?;
    }
    Ok(())
}

fn set(
    keywords: &mut BTreeMap<&'static str, String>,
    name: &'static str,
    value: String,
) -> Result<(), UrlError> {
    match keywords.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(UrlError::Twice(name)),
    }
}
