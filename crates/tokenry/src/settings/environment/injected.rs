//! Variables of our beginning that other programs make: Kubernetes for each Service called `tokenry` or `tokenry-…`, and
//! Docker for each container that is linked under such a name.
//!
//! SECURITY: what is passed over here is not told as a mistyped setting. So a name counts only with a value of the form
//! that is injected under it: an address, a port, or a URL of both.

use std::{collections::BTreeMap, net::IpAddr};

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Tells such variables from others.
pub(super) struct Injected<'e> {
    variables: &'e BTreeMap<String, Option<String>>,
    /// Containers linked by Docker, which hands on their variables too: `TOKENRY_ENV_…`.
    links: Vec<&'e str>,
}

impl<'e> Injected<'e> {
    pub(super) fn of(variables: &'e BTreeMap<String, Option<String>>) -> Self {
        let links = variables.iter().filter_map(|(name, value)| link(name, value.as_deref()?)).collect();
        Self { variables, links }
    }

    /// Whether another program made this variable.
    pub(super) fn has(&self, name: &str) -> bool {
        // Those that make such variables put `_` for everything else, and the log names what is ignored.
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

/// Whether a variable of this name can be another program's, whatever its value.
#[cfg(test)]
pub(super) fn has_form(name: &str) -> bool {
    form(name).is_some() || name.ends_with("_NAME") || name.contains("_ENV_")
}

/// What stands under an injected name.
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

/// What stands under this name if it was injected.
fn form(name: &str) -> Option<Form> {
    if name.ends_with("_SERVICE_HOST") {
        return Some(Form::Address);
    }
    // The second is of a port with a name, such as `TOKENRY_SERVICE_PORT_HTTP`.
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return Some(Form::Port);
    }
    if name.ends_with("_PORT") && of_a_port(name).is_none() {
        return Some(Form::Url);
    }
    match of_a_port(name)? {
        "" | "_START" | "_END" => Some(Form::Url),
        "_PROTO" => Some(Form::Protocol),
        "_PORT" | "_PORT_START" | "_PORT_END" => Some(Form::Port),
        "_ADDR" => Some(Form::Address),
        _ => None,
    }
}

/// What follows `…_PORT_8080_TCP`.
fn of_a_port(name: &str) -> Option<&str> {
    name.match_indices("_PORT_").find_map(|(start, found)| {
        let (port, rest) = name.get(start + found.len()..)?.split_once('_')?;
        port.parse::<u16>().ok()?;
        let protocol = ["TCP", "UDP", "SCTP"].into_iter().find_map(|protocol| rest.strip_prefix(protocol))?;
        (protocol.is_empty() || protocol.starts_with('_')).then_some(protocol)
    })
}

/// The beginning of the variables of a linked container: the value is `/container/alias`.
fn link<'n>(name: &'n str, value: &str) -> Option<&'n str> {
    let beginning = name.strip_suffix("_NAME")?;
    let (container, alias) = value.strip_prefix('/')?.split_once('/')?;
    let is_it = !container.is_empty() && alias.to_ascii_uppercase().replace('-', "_") == beginning;
    is_it.then_some(beginning)
}
