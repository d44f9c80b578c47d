//! axe-core, the accessibility checker of the browser tests: fetched once by npm, kept under `target/ui/axe`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use base64::Engine as _;
use sha2::{Digest, Sha512};

use crate::programs::Missing;
use crate::{metadata, step};

/// The pinned version. MPL-2.0: a tool for tests, neither shipped nor copied into the sources.
const VERSION: &str = "4.14.1";

/// SHA-512 of the package of that version, in the notation of registries.
const INTEGRITY: &str =
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

/// The file that the tests read.
const FILE: &str = "package/axe.min.js";

/// The package in the target folder.
pub(crate) struct Axe {
    folder: PathBuf,
}

impl Axe {
    /// The package under cargo's target folder, present or not.
    pub(crate) fn locate() -> Result<Self> {
        Ok(Self { folder: metadata::target_directory()?.join("ui/axe") })
    }

    /// `true` if the pinned package is present and unmodified.
    pub(crate) fn is_there(&self) -> bool {
        self.folder.join(FILE).is_file() && self.is_genuine()
    }

    /// Fetches the package if it is missing. Returns why it is still missing, if so.
    pub(crate) fn obtain(&self) -> Result<Option<Missing>> {
        if self.is_there() {
            return Ok(None);
        }
        fs::create_dir_all(&self.folder)?;
        let package = format!("axe-core@{VERSION}");
        let mut fetch = Command::new("npm");
        fetch.args(["pack", &package, "--silent", "--pack-destination"]).arg(&self.folder);
        let is_fetched = step::run(fetch.current_dir(&self.folder)).is_ok_and(|status| status.success());
        let why = if !is_fetched {
            format!("`npm pack {package}` failed; fix: see what it says, or run it where there is a network")
        } else if !self.is_genuine() {
            format!(
                "the package {package} is not the one that is pinned in xtask/src/axe.rs; fix: find out why"
            )
        } else {
            let mut unpack = Command::new("tar");
            unpack.arg("-xzf").arg(self.archive()).arg("-C").arg(&self.folder).arg(FILE);
            if step::run(&mut unpack)?.success() {
                return Ok(None);
            }
            "`tar` could not unpack it".to_owned()
        };
        Ok(Some(Missing { name: "axe-core", loss: "THE PAGE IS NOT TESTED FOR BARRIERS", why }))
    }

    fn archive(&self) -> PathBuf {
        self.folder.join(format!("axe-core-{VERSION}.tgz"))
    }

    fn is_genuine(&self) -> bool {
        sum(&self.archive()).is_ok_and(|found| found == INTEGRITY)
    }
}

fn sum(path: &Path) -> Result<String> {
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(base64::engine::general_purpose::STANDARD.encode(Sha512::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_with_another_digest_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let axe = Axe { folder: folder.path().to_owned() };
        fs::create_dir_all(folder.path().join("package")).unwrap();
        fs::write(folder.path().join(FILE), "alert(1)").unwrap();
        assert!(!axe.is_there(), "no archive");
        fs::write(axe.archive(), "another").unwrap();
        assert!(!axe.is_there());
    }

    #[test]
    fn digests_are_base64_as_in_registries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "abc").unwrap();
        assert!(sum(&path).unwrap().starts_with("3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0"));
    }
}
