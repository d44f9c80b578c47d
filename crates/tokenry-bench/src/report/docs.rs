//! A table inside a document, between two markers.

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- begin of the measured table -->";
const END: &str = "<!-- end of the measured table -->";

/// The document with its table replaced.
///
/// # Errors
/// When the document lacks the markers.
pub(super) fn replaced(document: &str, table: &str) -> Result<String> {
    let (before, rest) =
        document.split_once(BEGIN).with_context(|| format!("the document lacks `{BEGIN}`"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("the document lacks `{END}`"))?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replaced(&document, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new\n").unwrap(), once);
        assert!(replaced("a\n", "new\n").is_err());
    }
}
