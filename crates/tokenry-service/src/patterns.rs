//! The patterns of tokens in the formats of programs that look for leaked secrets.

mod detect_secrets;

use std::{fmt::Write as _, str::FromStr};

use serde_json::{Value, json};
use thiserror::Error;
use tokenry_crypto::TokenPattern;

use crate::tokenry::Tokenry;

impl Tokenry {
    /// The patterns of the tokens of this installation, imported ones included; see [`TokenPattern::all`].
    #[must_use]
    pub fn token_patterns(&self) -> Vec<TokenPattern> {
        TokenPattern::all(&self.0.prefixes, &self.0.shapes.current())
    }
}

/// The format in which a scanner reads patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternFormat {
    /// One expression per line with a lookahead, for Python, JavaScript, PCRE, Java and .NET.
    Regex,
    /// One expression per line without assertions, for RE2, Go, Rust and Hyperscan. The token is the first group.
    Re2,
    /// A configuration file of Gitleaks 8.
    Gitleaks,
    /// A configuration file of TruffleHog 3 with custom detectors.
    Trufflehog,
    /// A plugin of detect-secrets 1.5, which also computes the checksum.
    DetectSecrets,
    /// A `.secretlintrc.json` with `@secretlint/secretlint-rule-pattern`.
    Secretlint,
    /// The fields of a custom pattern of GitHub secret scanning, as JSON.
    Github,
}

/// There is no such format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be regex, re2, gitleaks, trufflehog, detect-secrets, secretlint or github")]
pub struct UnknownPatternFormat;

impl PatternFormat {
    /// All formats.
    pub const ALL: [Self; 7] = [
        Self::Regex,
        Self::Re2,
        Self::Gitleaks,
        Self::Trufflehog,
        Self::DetectSecrets,
        Self::Secretlint,
        Self::Github,
    ];

    /// The name of the format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regex => "regex",
            Self::Re2 => "re2",
            Self::Gitleaks => "gitleaks",
            Self::Trufflehog => "trufflehog",
            Self::DetectSecrets => "detect-secrets",
            Self::Secretlint => "secretlint",
            Self::Github => "github",
        }
    }

    /// The media type of the text.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Regex | Self::Re2 => "text/plain; charset=utf-8",
            Self::Gitleaks => "application/toml",
            Self::Trufflehog => "application/yaml",
            Self::DetectSecrets => "text/x-python; charset=utf-8",
            Self::Secretlint | Self::Github => "application/json",
        }
    }

    /// The patterns in this format, with a final line feed.
    #[must_use]
    pub fn write(self, patterns: &[TokenPattern]) -> String {
        match self {
            Self::Regex => lines(patterns, with_lookahead),
            Self::Re2 => lines(patterns, with_group),
            Self::Gitleaks => gitleaks(patterns),
            Self::Trufflehog => trufflehog(patterns),
            Self::DetectSecrets => detect_secrets::plugin(patterns),
            Self::Secretlint => pretty(&secretlint(patterns)),
            Self::Github => pretty(&patterns.iter().map(github).collect()),
        }
    }
}

impl FromStr for PatternFormat {
    type Err = UnknownPatternFormat;

    fn from_str(text: &str) -> Result<Self, UnknownPatternFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownPatternFormat)
    }
}

/// The expression for engines with lookahead: what it matches is the token.
#[must_use]
pub fn with_lookahead(pattern: &TokenPattern) -> String {
    format!("{}(?!{})", pattern.expression(), pattern.following())
}

/// The expression for engines without lookahead: its first group is the token.
#[must_use]
pub fn with_group(pattern: &TokenPattern) -> String {
    format!("({})(?:{}|$)", pattern.expression(), not_following(pattern))
}

/// The class of the characters that may follow a token.
fn not_following(pattern: &TokenPattern) -> String {
    pattern.following().replacen('[', "[^", 1)
}

fn lines(patterns: &[TokenPattern], written: fn(&TokenPattern) -> String) -> String {
    patterns.iter().map(|pattern| written(pattern) + "\n").collect()
}

fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}

/// Extends the default rules. No expression has `'''`, and no text a quotation mark or a backslash.
fn gitleaks(patterns: &[TokenPattern]) -> String {
    let mut text = "title = \"Tokens of Tokenry\"\n\n[extend]\nuseDefault = true\n".to_owned();
    for pattern in patterns {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[rules]]\nid = \"{}\"\ndescription = \"{}\"\nregex = '''{}'''\nsecretGroup = 1\nkeywords = [{}]\n",
            pattern.name(),
            pattern.description(),
            with_group(pattern),
            quoted(pattern.prefixes()),
        );
    }
    text
}

/// Without `verify`: a scanner that sends what it finds must be configured by who trusts it.
fn trufflehog(patterns: &[TokenPattern]) -> String {
    let mut text = "detectors:\n".to_owned();
    for pattern in patterns {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "  - name: {}\n    description: \"{}\"\n    keywords: [{}]\n    regex:\n      token: '{}'\n",
            pattern.name(),
            pattern.description(),
            quoted(pattern.prefixes()),
            with_group(pattern),
        );
    }
    text
}

/// A list of texts that have no quotation marks and no backslashes.
fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ")
}

fn secretlint(patterns: &[TokenPattern]) -> Value {
    let patterns: Vec<Value> = patterns
        .iter()
        .map(|pattern| {
            // The text is a regular expression between slashes, and `/` also ends it within a class.
            let expression = with_lookahead(pattern).replace('/', "\\/");
            json!({"name": pattern.name(), "patterns": [format!("/{expression}/")]})
        })
        .collect();
    json!({"rules": [{"id": "@secretlint/secretlint-rule-pattern", "options": {"patterns": patterns}}]})
}

/// The fields of the form, and of the API, for a custom pattern. Besides what is no letter or digit, an escape may precede
/// a token.
fn github(pattern: &TokenPattern) -> Value {
    json!({
        "name": pattern.description(),
        "type": pattern.name().replace('-', "_"),
        "secret_format": pattern.expression(),
        "before_secret": r"\A|[^0-9A-Za-z]|%[0-9A-Fa-f]{2}|\\[bfnrt]",
        "after_secret": format!(r"\z|{}", not_following(pattern)),
    })
}

#[cfg(test)]
mod tests {
    use tokenry_crypto::{Prefix, Prefixes};

    use super::*;

    fn patterns() -> Vec<TokenPattern> {
        let prefixes =
            Prefixes::new(Prefix::parse("pat_").unwrap(), vec![Prefix::parse("mcp_pat_").unwrap()]);
        let shape = "prefix=old- lookup=before:| length=60 alphabet=base64".parse().unwrap();
        TokenPattern::all(&prefixes, &[shape])
    }

    #[test]
    fn every_format_has_a_name_that_is_parsed_back() {
        for format in PatternFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
            let text = format.write(&patterns());
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
            assert!(UnknownPatternFormat.to_string().contains(format.as_str()));
        }
        assert_eq!("Regex".parse::<PatternFormat>(), Err(UnknownPatternFormat));
    }

    #[test]
    fn json_formats_are_json_and_slashes_end_no_expression_of_secretlint() {
        for format in [PatternFormat::Secretlint, PatternFormat::Github] {
            serde_json::from_str::<Value>(&format.write(&patterns())).unwrap();
        }
        let rules = secretlint(&patterns());
        let expression = rules["rules"][0]["options"]["patterns"][1]["patterns"][0].as_str().unwrap();
        assert_eq!(expression, r"/old-[A-Za-z0-9_-]{1,64}\|[A-Za-z0-9+\/=]{16,54}(?![A-Za-z0-9+\/=])/");
    }

    #[test]
    fn the_texts_of_gitleaks_and_trufflehog_quote_their_values() {
        let text = PatternFormat::Gitleaks.write(&patterns());
        assert!(
            text.contains("id = \"tokenry-pat\"\n") && text.contains("keywords = [\"mcp_pat_\", \"pat_\"]\n")
        );
        assert_eq!(text.matches("'''").count(), 4);
        let text = PatternFormat::Trufflehog.write(&patterns());
        assert!(
            text.contains("  - name: tokenry-pat\n") && text.contains("      token: '((?:mcp_pat_|pat_)[")
        );
    }
}
