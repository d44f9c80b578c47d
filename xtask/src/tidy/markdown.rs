//! The parts of Markdown that the rules need: code spans, link targets, and the items of a numbered list.

/// The texts between backticks, outside fenced blocks.
pub(super) fn code_spans(text: &str) -> Vec<String> {
    pieces(text, 1)
}

/// The targets of `[text](target)`, `![text](target)` and `[label]: target`, outside code.
pub(super) fn link_targets(text: &str) -> Vec<String> {
    let prose = pieces(text, 0).join(" ");
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '\n']).next());
    let labelled =
        prose.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    let labelled = labelled.filter_map(|(_, target)| target.split_whitespace().next());
    let targets = inline.chain(labelled).map(|target| target.trim_matches(['<', '>']).to_owned());
    targets.filter(|target| !target.is_empty()).collect()
}

/// The items of the numbered list under the heading `heading`, each with its number and continuation lines.
pub(super) fn numbered_items(text: &str, heading: &str) -> Vec<(u32, String)> {
    let section = text.lines().skip_while(|line| line.trim_end() != heading).skip(1);
    let mut items: Vec<(u32, String)> = Vec::new();
    for line in section.take_while(|line| !line.starts_with("## ")) {
        let start = line.split_once(". ").and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        if let Some((number, rest)) = start {
            items.push((number, rest.to_owned()));
        } else if let Some((_, item)) = items.last_mut() {
            item.push('\n');
            item.push_str(line.trim());
        }
    }
    items
}

/// Cuts each paragraph at its backticks and keeps every second piece: from 0 the prose, from 1 the code.
fn pieces(text: &str, from: usize) -> Vec<String> {
    let prose = without_fences(text);
    // An unpaired backtick affects only its own paragraph.
    let paragraphs = prose.split("\n\n");
    paragraphs.flat_map(|paragraph| paragraph.split('`').skip(from).step_by(2)).map(str::to_owned).collect()
}

/// `text` with every line of a fenced block emptied.
fn without_fences(text: &str) -> String {
    let mut open = None;
    let mut prose = String::new();
    for line in text.lines() {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (open, mark) {
            (None, None) => prose.push_str(line),
            (None, Some(mark)) => open = Some(mark),
            (Some(mark), closing) if closing == Some(mark) => open = None,
            (Some(_), _) => {}
        }
        prose.push('\n');
    }
    prose
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Title

See [the map](docs/ARCHITECTURE.md#crates \"title\") and ![logo](<logo.png>), not `[x](y)`.
A span may `cross
a line`, and one ` alone ends here.

```text
[not](a/link) `nor code`
```

Then `code` again. [web](https://example.org)
[label]: docs/API.md

";

    #[test]
    fn code_spans_end_with_their_paragraph() {
        assert_eq!(code_spans(TEXT), ["[x](y)", "cross\na line", " alone ends here.", "code"]);
    }

    #[test]
    fn links_are_found_outside_code() {
        let expected = ["docs/ARCHITECTURE.md#crates", "logo.png", "https://example.org", "docs/API.md"];
        assert_eq!(link_targets(TEXT), expected);
    }

    #[test]
    fn items_belong_to_their_section() {
        let text = "1. no\n## Invariants\nAll hold.\n\n1. One\n   more.\n2. Two.\n### Part\n## Next\n3. no\n";
        let items = numbered_items(text, "## Invariants");
        assert_eq!(items, [(1, "One\nmore.".to_owned()), (2, "Two.\n### Part".to_owned())]);
        assert!(numbered_items(text, "## Missing").is_empty());
    }
}
