//! The crates of this workspace and their dependencies, from `cargo metadata`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::workspace;

/// One package.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) documentation: Option<String>,
    pub(crate) readme: Option<PathBuf>,
    pub(crate) rust_version: Option<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// The registries to which it may be published: `None` is all, an empty list none (`publish = false`).
    pub(crate) publish: Option<Vec<String>>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency as its package declares it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The version requirement; `*` if there is none.
    pub(crate) req: String,
    pub(crate) path: Option<PathBuf>,
    pub(crate) kind: Option<Kind>,
    pub(crate) optional: bool,
}

/// The kind of a dependency; a normal one has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Dev,
    Build,
}

impl Package {
    /// `true` unless its manifest has `publish = false`.
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }
}

impl Dependency {
    /// `true` if users of the package build it, not only its tests.
    pub(crate) fn is_shipped(&self) -> bool {
        self.kind != Some(Kind::Dev)
    }
}

/// The target folder of cargo.
pub(crate) fn target_directory() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let metadata: Metadata =
        read(workspace::cargo().args(["metadata", "--format-version=1", "--no-deps", "--offline"]))?;
    Ok(metadata.target_directory)
}

/// The packages of this workspace, from their manifests alone.
pub(crate) fn own_packages() -> Result<Vec<Package>> {
    packages(workspace::cargo().args(["metadata", "--format-version=1", "--no-deps", "--offline"]))
}

fn packages(command: &mut Command) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    read::<Metadata>(command).map(|metadata| metadata.packages)
}

fn read<T: for<'de> Deserialize<'de>>(command: &mut Command) -> Result<T> {
    let output = command.output().context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("the output of cargo metadata cannot be read")
}
