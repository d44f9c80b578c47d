//! The programs beside PostgreSQL that tests run against: proxies for the recipes of `docs/deploy`, a pooler, a
//! browser for the page.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::install::Software;

/// A program that tests look for.
struct Program {
    /// What it may be called; one of them is enough.
    names: &'static [&'static str],
    software: Software,
    /// What is not done without it, for the line that says so.
    loss: &'static str,
}

/// All of them, with the names under which the tests look for them too.
const PROGRAMS: [Program; 6] = [
    Program {
        names: &["nginx"],
        software: Software { name: "nginx", packages: ["nginx"; 4] },
        loss: "ITS RECIPE IS NOT TESTED",
    },
    Program {
        names: &["caddy"],
        software: Software { name: "Caddy", packages: ["caddy"; 4] },
        loss: "ITS RECIPE IS NOT TESTED",
    },
    Program {
        names: &["pgbouncer"],
        software: Software { name: "PgBouncer", packages: ["pgbouncer"; 4] },
        loss: "POOLERS ARE NOT TESTED",
    },
    Program {
        names: &["chromium", "chromium-browser", "google-chrome"],
        software: Software { name: "Chromium", packages: ["chromium"; 4] },
        loss: "THE PAGE IS NOT TESTED",
    },
    Program {
        names: &["chromedriver"],
        software: Software {
            name: "ChromeDriver",
            packages: ["chromium-driver", "chromedriver", "chromium-chromedriver", "chromedriver"],
        },
        loss: "THE PAGE IS NOT TESTED",
    },
    Program {
        names: &["npm"],
        software: Software { name: "npm", packages: ["npm", "npm", "npm", "node"] },
        loss: "IT CANNOT FETCH AXE-CORE",
    },
];

/// Something that is not there, so that a part stays untested.
pub(crate) struct Missing {
    /// What people call it.
    pub(crate) name: &'static str,
    /// What is not done without it.
    pub(crate) loss: &'static str,
    /// How to get it.
    pub(crate) why: String,
}

/// Looks for every program, and installs what is missing if `may_install`; what is missing still is in the result.
///
/// npm is only for fetching: with `needs_npm` false nobody misses it.
pub(crate) fn obtain(may_install: bool, needs_npm: bool) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    for Program { names, software, loss } in &PROGRAMS {
        if names.contains(&"npm") && !needs_npm {
            continue;
        }
        let is_there = is_installed(names) || (may_install && software.install()? && is_installed(names));
        if !is_there {
            missing.push(Missing { name: software.name, loss, why: software.advice() });
        }
    }
    Ok(missing)
}

/// Distributions keep servers off the PATH of people.
fn is_installed(names: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.into_iter().any(|folder| names.iter().any(|name| folder.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_may_not_be_installed_is_told_with_the_way_to_get_it() {
        assert!(!is_installed(&["no-such-program"]));
        for missing in obtain(false, true).unwrap() {
            assert!(missing.why.contains("install") || missing.why.contains("add"), "{}", missing.why);
        }
    }
}
