//! `cargo xtask openapi`: writes or checks the committed API description.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace;

const FILE: &str = "docs/openapi.json";

/// Writes the description, or with `check` only compares it.
pub(crate) fn run(check: bool) -> Result<ExitCode> {
    write_or_compare(FILE, &generate()?, check, "cargo xtask openapi")
}

/// Writes a generated file, or with `check` compares it with the committed one, which `fix` would rewrite.
pub(crate) fn write_or_compare(file: &str, generated: &str, check: bool, fix: &str) -> Result<ExitCode> {
    let path = workspace::root().join(file);
    if !check {
        fs::write(&path, generated).with_context(|| format!("cannot write {file}"))?;
        println!("{file}");
        return Ok(ExitCode::SUCCESS);
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == generated {
        return Ok(ExitCode::SUCCESS);
    }
    let line = first_difference(&committed, generated);
    bail!(
        "{file} differs from what is generated from line {line} on\n    fix: run `{fix}` and commit the file"
    )
}

fn generate() -> Result<String> {
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "-p", "tokenry", "--", "openapi"]);
    let output = command.stderr(std::process::Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`tokenry openapi` failed");
    }
    let text = String::from_utf8(output.stdout).context("`tokenry openapi` printed no UTF-8")?;
    // The file ends with exactly one line break.
    Ok(format!("{}\n", text.trim_end()))
}

/// The number of the first line that differs.
pub(crate) fn first_difference(left: &str, right: &str) -> usize {
    let same = left.lines().zip(right.lines()).take_while(|(left, right)| left == right);
    same.count() + 1
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), 2);
        assert_eq!(first_difference("", "a\n"), 1);
        assert_eq!(first_difference("a\n", "a\nb\n"), 2);
    }
}
