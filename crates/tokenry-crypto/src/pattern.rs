//! The patterns of tokens, for programs that look for leaked ones.

use crate::{
    format::{CHECKSUM_LEN, LAST_OF_SECRET, MAX_FIRST_DIGIT, PUBLIC_ID_LEN, SECRET_LEN},
    prefixes::Prefixes,
    shape::Shape,
};

/// One pattern: a regular expression in the syntax that RE2, Go, Rust, Python, JavaScript and PCRE share, without
/// assertions.
///
/// It matches a token wherever it occurs, also behind an escape such as `%20` or `\n`, and no displayed form of a token,
/// which lacks the secret. What the expression matches is a token only if it also has the checksum of one
/// ([`is_checksummed`](Self::is_checksummed)), and no character of [`following`](Self::following) follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPattern {
    name: String,
    description: String,
    prefixes: Vec<String>,
    expression: String,
    following: &'static str,
    is_checksummed: bool,
}

impl TokenPattern {
    /// The patterns of the tokens with these prefixes, and of those shapes of imported tokens that have a prefix. The others,
    /// such as 40 hexadecimal digits, also match what is no token.
    #[must_use]
    pub fn all(prefixes: &Prefixes, shapes: &[Shape]) -> Vec<Self> {
        let mut all = vec![Self::own(prefixes)];
        for shape in shapes {
            let Some(mut pattern) = Self::imported(shape) else { continue };
            let same = all.iter().filter(|other| other.name.starts_with(&pattern.name)).count();
            if same > 0 {
                pattern.name = format!("{}-{}", pattern.name, same + 1);
                pattern.description = format!("{} {}", pattern.description, same + 1);
            }
            all.push(pattern);
        }
        all
    }

    /// One pattern for all prefixes, the longest first: one may be the end of another, and the first that matches counts.
    fn own(prefixes: &Prefixes) -> Self {
        let mut listed: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        listed.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        let prefix = match listed.as_slice() {
            [one] => one.clone(),
            several => format!("(?:{})", several.join("|")),
        };
        let (free, digits) = (PUBLIC_ID_LEN + SECRET_LEN - 1, CHECKSUM_LEN - 1);
        Self {
            name: name("tokenry", prefixes.current().as_str()),
            description: format!("Personal access token of Tokenry ({})", prefixes.current()),
            prefixes: listed,
            expression: format!(
                "{prefix}{WORD}{{{free}}}[{LAST_OF_SECRET}][0-{MAX_FIRST_DIGIT}]{WORD}{{{digits}}}"
            ),
            following: WORD,
            is_checksummed: true,
        }
    }

    /// `None` for a shape without a prefix.
    fn imported(shape: &Shape) -> Option<Self> {
        let prefix = Some(shape.prefix()).filter(|prefix| !prefix.is_empty())?;
        Some(Self {
            name: name("tokenry-imported", prefix),
            description: format!("Imported personal access token ({prefix})"),
            prefixes: vec![prefix.to_owned()],
            expression: format!("{prefix}{}", shape.body_expression()),
            following: shape.class(),
            is_checksummed: false,
        })
    }

    /// The name, unique among the patterns of an installation: lower-case letters, digits and `-`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the tokens are, in English.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The texts of which every match begins with one.
    #[must_use]
    pub fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// The regular expression.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The characters of which none follows a token, as a class of a regular expression, such as `[A-Za-z0-9]`.
    #[must_use]
    pub fn following(&self) -> &'static str {
        self.following
    }

    /// Whether the tokens end with a CRC-32 (ISO 3309) of the text before it, as six base62 digits (`0-9A-Za-z`), most
    /// significant first.
    #[must_use]
    pub fn is_checksummed(&self) -> bool {
        self.is_checksummed
    }
}

const WORD: &str = "[A-Za-z0-9]";

/// The words of a prefix behind the kind of pattern.
fn name(kind: &str, prefix: &str) -> String {
    let lower = prefix.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(kind).chain(words).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prefix;

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).unwrap()
    }

    #[test]
    fn the_pattern_of_own_tokens_is_as_narrow_as_their_format() {
        let patterns = TokenPattern::all(&prefix("mcp_pat_").into(), &[]);
        let [pattern] = patterns.as_slice() else { panic!("{patterns:?}") };
        assert_eq!(pattern.expression(), "mcp_pat_[A-Za-z0-9]{54}[AEIMQUYcgkosw048][0-4][A-Za-z0-9]{5}");
        assert_eq!((pattern.name(), pattern.following()), ("tokenry-mcp-pat", "[A-Za-z0-9]"));
        assert!(pattern.is_checksummed());
    }

    #[test]
    fn of_several_prefixes_the_longest_is_tried_first() {
        let prefixes = Prefixes::new(prefix("pat_"), vec![prefix("mcp_pat_"), prefix("a_")]);
        let patterns = TokenPattern::all(&prefixes, &[]);
        assert!(patterns[0].expression().starts_with("(?:mcp_pat_|pat_|a_)["), "{patterns:?}");
        assert_eq!(patterns[0].prefixes(), ["mcp_pat_", "pat_", "a_"]);
        assert_eq!(patterns[0].name(), "tokenry-pat");
    }

    #[test]
    fn shapes_with_a_prefix_have_a_pattern_and_others_have_none() {
        let shapes: Vec<Shape> = [
            "prefix=bodhiapp_ lookup=first:8 length=52 alphabet=base64url",
            "prefix=bodhiapp_ lookup=last:6 length=40-60 alphabet=hex",
            "prefix=x- lookup=before:| hashed=secret length=42-120 alphabet=base64",
            "prefix=k_ lookup=sha256 length=34 alphabet=alphanumeric",
            "gitea",
            "sanctum",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        let patterns = TokenPattern::all(&Prefixes::default(), &shapes);
        let shown: Vec<_> =
            patterns.iter().skip(1).map(|pattern| (pattern.name(), pattern.expression())).collect();
        assert_eq!(
            shown,
            [
                ("tokenry-imported-bodhiapp", "bodhiapp_[A-Za-z0-9_-]{43}"),
                ("tokenry-imported-bodhiapp-2", "bodhiapp_[0-9a-f]{31,51}"),
                ("tokenry-imported-x", "x-[A-Za-z0-9_-]{1,64}\\|[A-Za-z0-9+/=]{16,116}"),
                ("tokenry-imported-k", "k_[A-Za-z0-9]{32}"),
            ]
        );
        assert!(patterns.iter().skip(1).all(|pattern| !pattern.is_checksummed()));
        assert_eq!(patterns[3].following(), "[A-Za-z0-9+/=]");
    }
}
