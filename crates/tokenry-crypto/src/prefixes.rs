//! The prefixes of an installation's tokens: the current one, and former ones that are still accepted.

use std::borrow::Cow;

use crate::{
    format::{PUBLIC_ID_LEN, ParseError, Prefix, check_format, public_parts, secret_len},
    plain::PlainToken,
};

/// The prefix of new tokens, and former prefixes whose tokens are still accepted.
///
/// A text is a token under at most one of them: all tokens of one prefix have the same length and no `_` after the prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    current: Prefix,
    former: Vec<Prefix>,
}

impl Prefixes {
    /// Combines the prefix of new tokens and the former ones.
    #[must_use]
    pub fn new(current: Prefix, mut former: Vec<Prefix>) -> Self {
        former.retain(|prefix| *prefix != current);
        Self { current, former }
    }

    /// The prefix of new tokens.
    #[must_use]
    pub fn current(&self) -> &Prefix {
        &self.current
    }

    /// All accepted prefixes, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Prefix> {
        std::iter::once(&self.current).chain(&self.former)
    }

    /// Whether tokens with this prefix are accepted.
    #[must_use]
    pub fn contains(&self, prefix: &str) -> bool {
        self.iter().any(|known| known.as_str() == prefix)
    }

    /// Whether the text begins with an accepted prefix.
    #[must_use]
    pub fn match_start_of(&self, presented: &[u8]) -> bool {
        self.iter().any(|prefix| presented.starts_with(prefix.as_str().as_bytes()))
    }

    /// Parses a presented text as [`PlainToken::parse`] does, under any accepted prefix.
    ///
    /// # Errors
    /// [`ParseError`] for the prefix that the text begins with.
    pub fn parse(&self, presented: &[u8]) -> Result<PlainToken, ParseError> {
        self.first_match(|prefix| PlainToken::parse(prefix, presented))
    }

    /// Whether a text has the format and a valid checksum under any accepted prefix.
    ///
    /// # Errors
    /// [`ParseError`] for the prefix that the text begins with.
    pub fn check_format(&self, text: &str) -> Result<(), ParseError> {
        self.first_match(|prefix| check_format(prefix, text))
    }

    /// The public parts of a token within `text` ([`public_parts`]) under any accepted prefix. If several match, the longest public
    /// id is returned: the text after a shorter one could be a part of the secret.
    #[must_use]
    pub fn public_parts<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        self.iter()
            .filter_map(|prefix| public_parts(prefix, text))
            .max_by_key(|(public_id, _)| public_id.len())
    }

    /// The text with three dots instead of the secret of each complete or truncated token in it, whether or not the token
    /// exists. Prefix and public id stay.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut redacted = String::new();
        let (mut rest, mut is_changed) = (text, false);
        while let Some(first) = rest.chars().next() {
            let token = self.iter().filter_map(|prefix| Some((prefix, secret_len(prefix, rest)?)));
            let (kept, passed) = match token.max_by_key(|(prefix, _)| prefix.as_str().len()) {
                Some((prefix, length)) => {
                    is_changed = true;
                    // The first characters of a token that follows without a gap could belong to this one.
                    let next = self.next_prefix(rest, prefix.as_str().len()).unwrap_or(length);
                    ((prefix.as_str().len() + PUBLIC_ID_LEN).min(next), length.min(next))
                }
                None => (first.len_utf8(), first.len_utf8()),
            };
            redacted.push_str(rest.get(..kept).unwrap_or_default());
            if passed > kept {
                redacted.push('…');
            }
            rest = rest.get(passed..).unwrap_or_default();
        }
        if is_changed { Cow::Owned(redacted) } else { Cow::Borrowed(text) }
    }

    /// Where the next accepted prefix begins, at `from` or later.
    fn next_prefix(&self, text: &str, from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        self.iter().filter_map(|prefix| rest.find(prefix.as_str())).min().map(|start| from + start)
    }

    fn first_match<T>(&self, parse: impl Fn(&Prefix) -> Result<T, ParseError>) -> Result<T, ParseError> {
        let mut reported = match parse(&self.current) {
            Err(error) => error,
            parsed => return parsed,
        };
        for prefix in &self.former {
            match parse(prefix) {
                Err(ParseError::Length | ParseError::Prefix) => {}
                Err(error) => reported = error,
                parsed => return parsed,
            }
        }
        Err(reported)
    }
}

impl From<Prefix> for Prefixes {
    fn from(current: Prefix) -> Self {
        Self::new(current, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SecretRng;

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).unwrap()
    }

    fn token(of: &str, seed: u64) -> String {
        let token = PlainToken::generate(&prefix(of), &mut SecretRng::seeded(seed)).unwrap();
        token.reveal_once().to_string()
    }

    const TEXTS: [&str; 6] = ["pat_", "pat_x_", "pat_x_y_", "pbt_", "a_", "abcdefghijklmnopqrs_"];

    #[test]
    fn a_token_is_valid_under_its_own_prefix_only() {
        for own in TEXTS {
            for seed in 0..50 {
                let text = token(own, seed);
                let accepting = TEXTS.iter().filter(|other| check_format(&prefix(other), &text).is_ok());
                assert_eq!(accepting.collect::<Vec<_>>(), [&own], "{text}");
            }
        }
    }

    #[test]
    fn tokens_with_former_prefixes_are_parsed() {
        let all = Prefixes::new(prefix("new_"), TEXTS.iter().map(|text| prefix(text)).collect());
        for own in TEXTS.into_iter().chain(["new_"]) {
            let text = token(own, 1);
            let parsed = all.parse(text.as_bytes()).ok().unwrap();
            assert_eq!(parsed.public_id().as_str(), &text[..own.len() + 12]);
            assert!(
                all.match_start_of(text.as_bytes()) && all.contains(own) && all.check_format(&text).is_ok()
            );
            for end in 0..text.len() {
                assert!(all.parse(&text.as_bytes()[..end]).is_err());
            }
            let mut broken = text.clone().into_bytes();
            let last = broken.len() - 1;
            broken[last] = if broken[last] == b'a' { b'b' } else { b'a' };
            assert_eq!(all.parse(&broken).err(), Some(ParseError::Checksum), "{own}");
        }
        let other = token("other_", 1);
        assert!(
            all.parse(other.as_bytes()).is_err()
                && !all.match_start_of(other.as_bytes())
                && !all.contains("other_")
        );
        let one = Prefixes::from(prefix("pat_"));
        assert!(one.parse(token("pat_x_", 1).as_bytes()).is_err());
        assert_eq!(Prefixes::new(prefix("pat_"), vec![prefix("pat_")]), one);
    }

    #[test]
    fn secrets_of_complete_and_truncated_tokens_are_redacted() {
        let all = Prefixes::new(prefix("pat_"), vec![prefix("mcp_pat_")]);
        let (one, two) = (token("pat_", 3), token("mcp_pat_", 4));
        let (shown_one, shown_two) = (format!("{}…", &one[..16]), format!("{}…", &two[..20]));
        for (text, redacted) in [
            (format!("é/{one}/{two}?é"), format!("é/{shown_one}/{shown_two}?é")),
            (format!("x{one}x"), format!("x{shown_one}")),
            (one[..17].to_owned(), shown_one.clone()),
            (format!("{one}{two}{one}"), format!("{shown_one}{shown_two}{shown_one}")),
            (format!("{}{one}", &one[..30]), format!("{shown_one}{shown_one}")),
            (format!("pat_abcdefghijk{one}"), format!("pat_abcdefghijk{shown_one}")),
        ] {
            assert_eq!(all.redact(&text), redacted);
        }
        for text in [&one[..16], "", "pat_", "mcp_pat_x", "é", &two[..20], "pbt_aaaaaaaaaaaaaaaaaaaa"] {
            assert!(matches!(all.redact(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn only_the_public_parts_of_a_token_with_a_former_prefix_are_returned() {
        let all = Prefixes::new(prefix("new_"), TEXTS.iter().map(|text| prefix(text)).collect());
        for own in TEXTS {
            let text = token(own, 2);
            let pasted = format!("Bearer {text} ");
            assert_eq!(
                all.public_parts(&pasted),
                Some((&text[..own.len() + 12], &text[text.len() - 4..])),
                "{own}"
            );
        }
    }
}
