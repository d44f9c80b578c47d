//! Recognizes tokens in bytes.

use std::ops::Range;

use regex_automata::{
    Anchored, Input, PatternID,
    meta::{BuildError, Config, Regex},
    util::syntax,
};
use tokenry_service::{Prefixes, Shape, TokenPattern};

/// No token is longer.
pub(super) const MAX_TOKEN: usize = 256;

/// The tokens of this installation.
pub(super) struct Finder {
    /// The published patterns: first that of own tokens, then those of `shapes`.
    regex: Regex,
    prefixes: Prefixes,
    /// The shapes that have a pattern.
    shapes: Vec<Shape>,
}

/// A token in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    /// What may be shown of it.
    pub(super) shown: String,
}

impl Finder {
    pub(super) fn new(prefixes: Prefixes, shapes: Vec<Shape>) -> Result<Self, Box<BuildError>> {
        let shapes: Vec<_> = shapes.into_iter().filter(|shape| !shape.prefix().is_empty()).collect();
        let patterns = TokenPattern::all(&prefixes, &shapes);
        let expressions: Vec<_> = patterns.iter().map(TokenPattern::expression).collect();
        // The text is bytes; no pattern can match an empty one.
        let (syntax, config) =
            (syntax::Config::new().unicode(false).utf8(false), Config::new().utf8_empty(false));
        let regex =
            Regex::builder().configure(config).syntax(syntax).build_many(&expressions).map_err(Box::new)?;
        Ok(Self { regex, prefixes, shapes })
    }

    /// The first token that begins at or after `from` and before `until`. A match of a pattern that is no token, by its
    /// checksum or by what follows, does not hide one that begins within it.
    pub(super) fn find(&self, text: &[u8], from: usize, until: usize) -> Option<Found> {
        let mut from = from;
        while from < until {
            let start = self.regex.search(&Input::new(text).range(from..))?.start();
            if start >= until {
                return None;
            }
            if let Some(found) = self.recognize(text, start) {
                return Some(found);
            }
            from = start + 1;
        }
        None
    }

    /// The token that begins here.
    fn recognize(&self, text: &[u8], start: usize) -> Option<Found> {
        if let Some(range) = self.matched(text, start, 0)
            && let Ok(plain) = self.prefixes.parse(text.get(range.clone())?)
        {
            return Some(Found { range, shown: format!("{}…{}", plain.public_id(), plain.suffix()) });
        }
        for (index, shape) in self.shapes.iter().enumerate() {
            let Some(range) = self.matched(text, start, index + 1) else { continue };
            let is_whole = text.get(range.end).is_none_or(|next| !shape.continues_with(*next));
            if let Some(shown) =
                text.get(range.clone()).and_then(|token| shape.shown_of(token)).filter(|_| is_whole)
            {
                return Some(Found { range, shown });
            }
        }
        None
    }

    /// What the pattern with this index matches here.
    fn matched(&self, text: &[u8], start: usize, index: usize) -> Option<Range<usize>> {
        let id = PatternID::new(index).ok()?;
        let input = Input::new(text).range(start..).anchored(Anchored::Pattern(id));
        Some(self.regex.search(&input)?.range())
    }

    /// The text without the secrets of tokens in it, complete or truncated.
    pub(super) fn redact(&self, text: &str) -> String {
        let (mut redacted, mut from) = (String::new(), 0);
        while let Some(found) = self.find(text.as_bytes(), from, text.len()) {
            redacted += text.get(from..found.range.start).unwrap_or_default();
            redacted += &found.shown;
            from = found.range.end;
        }
        redacted += text.get(from..).unwrap_or_default();
        self.prefixes.redact(&redacted).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use tokenry_service::{PlainToken, Prefix, SecretRng};

    use super::*;

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).unwrap()
    }

    fn token(of: &str) -> String {
        PlainToken::generate(&prefix(of), &mut SecretRng::os()).unwrap().reveal_once().to_string()
    }

    fn finder() -> Finder {
        let prefixes = Prefixes::new(prefix("mcp_pat_"), vec![prefix("pat_")]);
        let shapes = [
            "prefix=old_ lookup=first:8 length=44 alphabet=alphanumeric",
            "prefix=pat_ lookup=sha256 length=40-70 alphabet=hex",
            "gitea",
        ];
        Finder::new(prefixes, shapes.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
    }

    /// The tokens in a text.
    fn found(text: &str) -> Vec<String> {
        let (finder, mut from, mut all) = (finder(), 0, Vec::new());
        while let Some(Found { range, .. }) = finder.find(text.as_bytes(), from, text.len()) {
            all.push(text[range.clone()].to_owned());
            from = range.end;
        }
        all
    }

    #[test]
    fn a_token_is_found_wherever_it_is() {
        for token in [
            token("mcp_pat_"),
            token("pat_"),
            format!("old_{}", "aB3x".repeat(10)),
            format!("pat_{}", "0a".repeat(20)),
        ] {
            for text in [
                token.clone(),
                format!("TOKEN={token}"),
                format!("Authorization: Bearer {token}\r\n"),
                format!("{{\"token\":\"{token}\"}}"),
                format!("\\n{token}\\n"),
                format!("https://me:{token}@host/x?t={token}&u=1"),
                format!("%3D{token}%0A"),
                format!("é{token}é"),
                format!("_{token}_"),
                format!("{token},{token}"),
            ] {
                let expected = text.matches(&token).count();
                assert_eq!(found(&text), vec![token.clone(); expected], "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_token_is_not_found_and_hides_none() {
        let (own, other) = (token("mcp_pat_"), token("x_"));
        let mut typo = own.clone();
        typo.replace_range(20..21, if &own[20..21] == "a" { "b" } else { "a" });
        let hex = format!("pat_{}", "0a".repeat(40));
        for text in [
            typo.as_str(),
            &other,
            &own[..20],
            &format!("{}…{}", &own[..20], &own[65..]),
            &own[..68],
            "mcp_pat_",
            "mcp_pat_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            &hex,
            &"0a".repeat(20),
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
        // Its own checksum decides, whatever follows or precedes it.
        for text in [format!("{own}x"), format!("mcp_{}", token("pat_")), format!("mcp_pat_{own}")] {
            assert_eq!(found(&text).len(), 1, "{text}");
        }
    }

    #[test]
    fn only_the_public_parts_are_shown() {
        let own = token("mcp_pat_");
        let shown = format!("{}…{}", &own[..20], &own[65..]);
        assert_eq!(finder().find(own.as_bytes(), 0, 1).unwrap().shown, shown);
        let old = format!("old_{}", "aB3x".repeat(10));
        assert_eq!(finder().find(old.as_bytes(), 0, 1).unwrap().shown, "old_aB3xaB3x…");
        let text = format!("a/{own}/{old}/{}é", &own[..40]);
        assert_eq!(finder().redact(&text), format!("a/{shown}/old_aB3xaB3x…/{}…é", &own[..20]));
    }
}
