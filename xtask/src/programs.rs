//! Programs that the tests need in addition to PostgreSQL: proxies for the recipes of `docs/deploy`, a pooler, a
//! monitoring system, a browser for the page, and interpreters for the clients.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::install::Software;

/// A program that tests look for.
struct Program {
    /// The possible names of its executable.
    names: &'static [&'static str],
    software: Software,
    /// The consequence of its absence, for the warning.
    loss: &'static str,
}

/// Every program, with the same executable names that the tests look for.
const PROGRAMS: [Program; 15] = [
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
        names: &["apache2", "httpd"],
        software: Software { name: "Apache", packages: ["apache2-bin", "httpd", "apache2", "httpd"] },
        loss: "ITS RECIPES ARE NOT TESTED",
    },
    Program {
        names: &["mod_auth_openidc.so"],
        software: Software {
            name: "mod_auth_openidc",
            packages: [
                "libapache2-mod-auth-openidc",
                "mod_auth_openidc",
                "apache-mod-auth-openidc",
                "mod_auth_openidc",
            ],
        },
        loss: "ITS RECIPE IS NOT TESTED",
    },
    Program {
        names: &["mod_oauth2.so"],
        software: Software {
            name: "mod_oauth2",
            packages: ["libapache2-mod-oauth2", "mod_oauth2", "mod_oauth2", "mod_oauth2"],
        },
        loss: "ITS RECIPE IS NOT TESTED",
    },
    Program {
        names: &["openssl"],
        software: Software { name: "OpenSSL", packages: ["openssl"; 4] },
        loss: "THE RECIPES OF APACHE ARE NOT TESTED",
    },
    Program {
        names: &["git"],
        software: Software { name: "git", packages: ["git"; 4] },
        loss: "GIT THROUGH A PROXY IS NOT TESTED",
    },
    Program {
        names: &["curl"],
        software: Software { name: "curl", packages: ["curl"; 4] },
        loss: "HTTP/2 THROUGH PROXIES AND .netrc ARE NOT TESTED",
    },
    Program {
        names: &["pgbouncer"],
        software: Software { name: "PgBouncer", packages: ["pgbouncer"; 4] },
        loss: "POOLERS ARE NOT TESTED",
    },
    Program {
        names: &["promtool"],
        software: Software { name: "promtool", packages: ["prometheus"; 4] },
        loss: "THE FORMAT OF METRICS IS NOT TESTED",
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
        loss: "IT CANNOT FETCH AXE-CORE AND THE PACKAGES OF THE CLIENTS",
    },
    Program {
        names: &["node"],
        software: Software { name: "Node.js", packages: ["nodejs", "nodejs", "nodejs", "node"] },
        loss: "THE CLIENTS OF NODE.JS ARE NOT TESTED",
    },
    Program {
        names: &["python3"],
        software: Software { name: "Python", packages: ["python3", "python3", "python3", "python"] },
        loss: "THE GUARDS OF FASTAPI AND DJANGO ARE NOT TESTED",
    },
];

/// A missing program, without which some tests are skipped.
pub(crate) struct Missing {
    /// The display name.
    pub(crate) name: &'static str,
    /// The consequence of its absence.
    pub(crate) loss: &'static str,
    /// How to get it.
    pub(crate) why: String,
}

/// Looks for every program and installs missing ones if `may_install`. Returns those that are still missing.
///
/// npm only fetches packages: it is skipped unless `needs_npm`.
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

/// Folders besides PATH: distributions keep servers off the PATH of ordinary users; and the modules of Apache.
const FOLDERS: [&str; 4] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"];

fn is_installed(names: &[&str]) -> bool {
    find(names).is_some()
}

/// The path of the first of these programs that is installed.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).chain(FOLDERS.map(PathBuf::from)).collect();
    let mut candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_reported_with_how_to_install_it() {
        assert!(!is_installed(&["no-such-program"]));
        for missing in obtain(false, true).unwrap() {
            assert!(missing.why.contains("install") || missing.why.contains("add"), "{}", missing.why);
        }
    }
}
