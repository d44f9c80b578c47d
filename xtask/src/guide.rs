//! `cargo xtask guide`: renews the screenshots of docs/GUIDE.md.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::{metadata, step, workspace};

/// The folder of the test's screenshots, under the target folder.
const MADE: &str = "ui/guide";

/// The folder of the guide's screenshots.
const KEPT: &str = "docs/guide";

/// The test that makes them.
const TEST: &str = "every_step_of_the_guide_has_a_small_picture";

/// Takes the screenshots and copies them.
pub(crate) fn run() -> Result<ExitCode> {
    let (made, kept) = (metadata::target_directory()?.join(MADE), workspace::root().join(KEPT));
    // Removes the screenshots of earlier runs.
    let _ = fs::remove_dir_all(&made);
    let mut test = workspace::cargo();
    test.args(["test", "-p", "tokenry-ui", "--test", "browser", TEST]);
    let status = step::run(&mut test)?;
    if !status.success() {
        return Ok(step::exit_code(status));
    }
    let Ok(pictures) = fs::read_dir(&made) else {
        bail!("no pictures were made\n    fix: install Chromium and ChromeDriver, as `cargo xtask test` does")
    };
    fs::create_dir_all(&kept)?;
    for picture in pictures {
        let picture = picture?;
        let to = kept.join(picture.file_name());
        fs::copy(picture.path(), &to).with_context(|| format!("cannot write {}", to.display()))?;
        println!("{KEPT}/{}", picture.file_name().display());
    }
    Ok(ExitCode::SUCCESS)
}
