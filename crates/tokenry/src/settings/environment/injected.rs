//! Variables with the prefix `TOKENRY_` that other programs set: Kubernetes for each Service called `tokenry` or
//! `tokenry-…`, and Docker for each container linked under such a name.
//!
//! SECURITY: a variable ignored here is not reported as a mistyped setting. A name therefore counts as injected only
//! together with a value of the injected form: an address, a port, or a URL of both.

use std::{collections::BTreeMap, net::IpAddr};

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Recognizes injected variables.
pub(super) struct Injected<'e> {
    variables: &'e BTreeMap<String, Option<String>>,
    /// Prefixes of containers linked by Docker, which also injects their variables: `TOKENRY_ENV_…`.
    links: Vec<&'e str>,
}

impl<'e> Injected<'e> {
    pub(super) fn of(variables: &'e BTreeMap<String, Option<String>>) -> Self {
        let links = variables.iter().filter_map(|(name, value)| link(name, value.as_deref()?)).collect();
        Self { variables, links }
    }

    /// Whether another program set this variable.
    pub(super) fn has(&self, name: &str) -> bool {
        // Injected names contain only these characters; the log names what is ignored, so others are not accepted.
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return false;
        }
        let of_a_link = |link: &&str| {
            let rest = name.strip_prefix(*link);
            rest.is_some_and(|rest| rest == "_NAME" || rest.starts_with("_ENV_"))
        };
        let value = self.variables.get(name).and_then(Option::as_deref);
        value.zip(form(name)).is_some_and(|(value, form)| form.fits(value))
            || self.links.iter().any(of_a_link)
    }
}

/// Whether another program could set a variable of this name, whatever its value.
#[cfg(test)]
pub(super) fn has_form(name: &str) -> bool {
    form(name).is_some() || name.ends_with("_NAME") || name.contains("_ENV_")
}

/// The form of an injected value.
#[derive(Clone, Copy)]
enum Form {
    Address,
    Port,
    Protocol,
    Url,
}

impl Form {
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Address => value.parse::<IpAddr>().is_ok(),
            Self::Port => value.parse::<u16>().is_ok(),
            Self::Protocol => PROTOCOLS.contains(&value),
            Self::Url => value.split_once("://").is_some_and(|(protocol, rest)| {
                let parts = rest.rsplit_once(':');
                let address = parts.map(|(host, _)| host.trim_start_matches('[').trim_end_matches(']'));
                PROTOCOLS.contains(&protocol)
                    && address.is_some_and(|address| address.parse::<IpAddr>().is_ok())
                    && parts.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
            }),
        }
    }
}

/// The form of the value if this name was injected.
fn form(name: &str) -> Option<Form> {
    if name.ends_with("_SERVICE_HOST") {
        return Some(Form::Address);
    }
    // The second form is a named port, such as `TOKENRY_SERVICE_PORT_HTTP`.
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return Some(Form::Port);
    }
    if name.ends_with("_PORT") && port_suffix(name).is_none() {
        return Some(Form::Url);
    }
    match port_suffix(name)? {
        "" | "_START" | "_END" => Some(Form::Url),
        "_PROTO" => Some(Form::Protocol),
        "_PORT" | "_PORT_START" | "_PORT_END" => Some(Form::Port),
        "_ADDR" => Some(Form::Address),
        _ => None,
    }
}

/// The rest of a name after `…_PORT_8080_TCP`.
fn port_suffix(name: &str) -> Option<&str> {
    name.match_indices("_PORT_").find_map(|(start, found)| {
        let (port, rest) = name.get(start + found.len()..)?.split_once('_')?;
        port.parse::<u16>().ok()?;
        let protocol = ["TCP", "UDP", "SCTP"].into_iter().find_map(|protocol| rest.strip_prefix(protocol))?;
        (protocol.is_empty() || protocol.starts_with('_')).then_some(protocol)
    })
}

/// The prefix of a linked container's variables; the value is `/container/alias`.
fn link<'n>(name: &'n str, value: &str) -> Option<&'n str> {
    let prefix = name.strip_suffix("_NAME")?;
    let (container, alias) = value.strip_prefix('/')?.split_once('/')?;
    let is_link = !container.is_empty() && alias.to_ascii_uppercase().replace('-', "_") == prefix;
    is_link.then_some(prefix)
}
