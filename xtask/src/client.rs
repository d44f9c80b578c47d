//! `cargo xtask client`: writes or checks the types of the TypeScript client.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::packages::TYPESCRIPT;
use crate::{openapi, step, workspace};

const FILE: &str = "clients/typescript/src/schema.ts";

/// Generates the types from `docs/openapi.json` with the script `generate` of the client's `package.json`.
///
/// With `check` it only compares.
pub(crate) fn run(check: bool) -> Result<ExitCode> {
    if let Some(missing) = TYPESCRIPT.obtain()? {
        bail!("no {}: {}", missing.name, missing.why);
    }
    // The same folders relative to each other as in the sources, below the packages, where npm finds them.
    let copy = tempfile::Builder::new().prefix("generate-").tempdir_in(TYPESCRIPT.folder()?)?;
    for path in ["docs/openapi.json", "clients/typescript/package.json"] {
        let to = copy.path().join(path);
        fs::create_dir_all(to.parent().context("a file in no folder")?)?;
        fs::copy(workspace::root().join(path), to).with_context(|| format!("cannot copy {path}"))?;
    }
    let generated = copy.path().join(FILE);
    fs::create_dir_all(generated.parent().context("a file in no folder")?)?;
    let mut generate = Command::new("npm");
    generate.args(["run", "--silent", "generate"]).current_dir(copy.path().join("clients/typescript"));
    if !step::run(&mut generate)?.success() {
        bail!("openapi-typescript failed");
    }
    let generated = fs::read_to_string(generated).context("openapi-typescript wrote nothing")?;
    openapi::write_or_compare(FILE, &generated, check, "cargo xtask client")
}
