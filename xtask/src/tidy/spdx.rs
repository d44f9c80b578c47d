//! Licence expressions: `MIT OR Apache-2.0`, `(A AND B) OR C WITH D`, and the old `MIT/Apache-2.0`.

use anyhow::{Result, bail, ensure};

/// `true` if `expression` can be satisfied with licences that `is_allowed` accepts.
///
/// `A WITH exception` counts as `A`: an exception only permits more.
///
/// # Errors
/// If the text is no licence expression.
pub(super) fn is_satisfied(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> Result<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut parser = Parser { words: spaced.split_whitespace().collect(), is_allowed };
    parser.words.reverse();
    let satisfied = parser.either()?;
    ensure!(parser.words.is_empty(), "`{expression}` goes on after its end");
    Ok(satisfied)
}

/// The words still to read, the next one last.
struct Parser<'a> {
    words: Vec<&'a str>,
    is_allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn either(&mut self) -> Result<bool> {
        let mut satisfied = self.all()?;
        while self.takes("OR") {
            satisfied |= self.all()?;
        }
        Ok(satisfied)
    }

    fn all(&mut self) -> Result<bool> {
        let mut satisfied = self.one()?;
        while self.takes("AND") {
            satisfied &= self.one()?;
        }
        Ok(satisfied)
    }

    fn one(&mut self) -> Result<bool> {
        let Some(word) = self.words.pop() else { bail!("a licence is missing at the end") };
        if word == "(" {
            let satisfied = self.either()?;
            ensure!(self.takes(")"), "a `)` is missing");
            return Ok(satisfied);
        }
        ensure!(!matches!(word, ")" | "AND" | "OR" | "WITH"), "a licence is missing before `{word}`");
        if self.takes("WITH") {
            ensure!(self.words.pop().is_some(), "an exception is missing after `WITH`");
        }
        Ok((self.is_allowed)(word))
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.last() == Some(&word);
        if found {
            self.words.pop();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0-or-later", false),
            ("MIT OR GPL-3.0-or-later", true),
            ("GPL-3.0-or-later OR MIT", true),
            ("MIT AND GPL-3.0-or-later", false),
            ("MIT/GPL-2.0", true),
            ("MIT OR MIT AND GPL-2.0", true),
            ("(MIT OR GPL-2.0) AND MIT", true),
            ("(MIT OR GPL-2.0) AND GPL-2.0", false),
            ("MIT WITH LLVM-exception", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
        ] {
            assert_eq!(satisfied(expression).unwrap(), expected, "{expression}");
        }
    }

    #[test]
    fn broken_expressions_are_errors() {
        for expression in ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT GPL-2.0", "MIT WITH"] {
            assert!(satisfied(expression).is_err(), "{expression}");
        }
    }

    fn satisfied(expression: &str) -> Result<bool> {
        is_satisfied(expression, &|licence| licence == "MIT")
    }
}
