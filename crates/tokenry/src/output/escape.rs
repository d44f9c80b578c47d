//! Escaping of untrusted text for terminals.

/// `text` on one line: characters that could control a terminal are escaped as `\n`, `\t` or `\u{1b}`.
pub(super) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || reorders(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Equivalent JSON in which DEL, C1 and reordering characters are also escaped; line breaks between its tokens stay.
/// Such characters occur only inside strings, where `\u` represents them.
pub(super) fn json(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && (c.is_control() || reorders(c)) {
            json.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            json.push(c);
        }
    }
    json
}

/// Line separators and characters that reorder or hide the surrounding text.
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn characters_that_control_a_terminal_are_escaped() {
        for (text, shown) in [
            ("ci — 部署", "ci — 部署"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}"),
            ("it's \"so\"", "it's \"so\""),
        ] {
            assert_eq!(line(text), shown);
        }
    }

    proptest! {
        #[test]
        fn escaped_json_is_equivalent(text in any::<String>()) {
            let value = serde_json::json!({"text": text});
            let escaped = json(&format!("{value:#}"));
            prop_assert!(!escaped.chars().any(|c| c != '\n' && c.is_control()));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }

        #[test]
        fn an_escaped_line_has_no_control_character(text in any::<String>()) {
            prop_assert!(!line(&text).chars().any(char::is_control));
        }
    }
}
