//! The listings of public items under `docs/api` match the code.

use anyhow::Result;

use super::Failure;
use super::tree::Tree;
use crate::api;

pub(super) fn check(_tree: &Tree) -> Result<Vec<Failure>> {
    let failures = api::outdated()?.into_iter().map(|outdated| {
        let problem = format!("differs from the code:\n{}", outdated.difference.join("\n"));
        let fix = "if the change of the public API is intended, run `cargo xtask api` and commit the file";
        Failure::new(outdated.path, problem, fix)
    });
    Ok(failures.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_public_items_are_those_of_the_code() {
        crate::tidy::assert_holds(check);
    }
}
