//! The reverse proxies that the recipes of `docs/deploy` are tested with.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::install::Software;

/// Each with the name of its program, as the tests look for it.
const PROXIES: [(&str, Software); 2] = [
    ("nginx", Software { name: "nginx", packages: ["nginx"; 4] }),
    ("caddy", Software { name: "Caddy", packages: ["caddy"; 4] }),
];

/// A proxy that is not there, so that its recipe stays untested.
pub(crate) struct Missing {
    /// What people call it.
    pub(crate) name: &'static str,
    /// How to get it.
    pub(crate) why: String,
}

/// Looks for every proxy, and installs what is missing if `may_install`; what is missing still is in the result.
pub(crate) fn obtain(may_install: bool) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    for (program, software) in &PROXIES {
        let is_there = is_installed(program) || (may_install && software.install()? && is_installed(program));
        if !is_there {
            missing.push(Missing { name: software.name, why: software.advice() });
        }
    }
    Ok(missing)
}

/// Distributions keep servers off the PATH of people.
fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.into_iter().any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_may_not_be_installed_is_told_with_the_way_to_get_it() {
        assert!(!is_installed("no-such-proxy"));
        for missing in obtain(false).unwrap() {
            assert!(missing.why.contains("install") || missing.why.contains("add"), "{}", missing.why);
        }
    }
}
