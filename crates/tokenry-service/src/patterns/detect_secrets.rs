//! The plugin of detect-secrets.

use tokenry_crypto::TokenPattern;

use super::with_lookahead;

/// What the plugin imports, and the checksum in Python.
const HEAD: &str = r#"# Finds the tokens of one installation of Tokenry: detect-secrets scan --plugin FILE
import re
import zlib
from typing import Generator

from detect_secrets.plugins.base import RegexBasedDetector

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _has_checksum(token: str) -> bool:
    value = 0
    for digit in token[-6:]:
        value = value * 62 + DIGITS.index(digit)
    return value == zlib.crc32(token[:-6].encode())
"#;

/// A file with one detector per pattern. No expression has a quotation mark.
pub(super) fn plugin(patterns: &[TokenPattern]) -> String {
    let mut text = HEAD.to_owned();
    for pattern in patterns {
        let lines = [
            format!("\n\nclass {}(RegexBasedDetector):", class_name(pattern.name())),
            format!("    secret_type = \"{}\"", pattern.description()),
            format!("    denylist = [re.compile(r\"{}\")]", with_lookahead(pattern)),
        ];
        text.push_str(&lines.join("\n"));
        text.push('\n');
        if pattern.is_checksummed() {
            text.push_str(CHECKED);
        }
    }
    text
}

const CHECKED: &str = r"
    def analyze_string(self, string: str) -> Generator[str, None, None]:
        for match in super().analyze_string(string):
            if _has_checksum(match):
                yield match
";

/// The words of a name, each with an initial capital.
fn class_name(name: &str) -> String {
    name.split('-').map(capitalized).chain(["Detector".to_owned()]).collect()
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
    first.to_ascii_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_class_begins_with_a_letter() {
        assert_eq!(class_name("tokenry-mcp-pat"), "TokenryMcpPatDetector");
        assert_eq!(class_name("tokenry-imported-x-2"), "TokenryImportedX2Detector");
    }
}
