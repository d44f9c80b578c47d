//! The URL where a token was found, without what may be secret in it.

use percent_encoding::percent_decode_str;
use tokenry_crypto::Prefixes;
use url::Url;
use zeroize::Zeroizing;

/// The longest stored URL, in characters.
const MAX: usize = 1000;
/// No token is shorter, in bytes.
const MIN_SECRET: usize = 16;
/// How often a part of a URL may be encoded again.
const MAX_ENCODINGS: usize = 4;

/// The texts of a report that may be secrets, as they are looked for in its URLs.
pub(super) struct ReportedTexts(Vec<Zeroizing<String>>);

impl ReportedTexts {
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        // One line end is not part of a secret.
        let lines = texts.map(|text| text.strip_suffix('\n').unwrap_or(text));
        let lines = lines.map(|text| text.strip_suffix('\r').unwrap_or(text));
        let secrets = lines.filter(|text| text.len() >= MIN_SECRET);
        Self(secrets.map(|text| Zeroizing::new(spaced(text))).collect())
    }

    /// Whether one of them is in the text.
    fn are_in(&self, text: &str) -> bool {
        let text = spaced(text);
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// Whether one of them is in the host, which is in lower case.
    fn are_in_host(&self, origin: &str) -> bool {
        self.0.iter().any(|secret| origin.contains(&*Zeroizing::new(secret.to_ascii_lowercase())))
    }
}

/// The text with `+` as a space: in a URL, `+` is either.
fn spaced(text: &str) -> String {
    text.replace('+', " ")
}

/// What is stored of a reported URL: scheme, host, port and path, and a fragment that names lines. `None` unless it is
/// `http` or `https`.
///
/// SECURITY: user name, password and query may be secrets of others. Of a URL whose path has a token, in whatever encoding,
/// or that is too long, only scheme, host and port are stored.
pub(super) fn location(url: &str, prefixes: &Prefixes, reported: &ReportedTexts) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let origin = url.origin().ascii_serialization();
    let lines = url.fragment().filter(|fragment| is_lines(fragment)).map(str::to_owned);
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    url.set_query(None);
    url.set_fragment(lines.as_deref());
    let whole = url.to_string();
    if whole.chars().count() <= MAX && !has_token(&whole, prefixes, reported) {
        return Some(whole);
    }
    let has_secret = has_token(&origin, prefixes, reported) || reported.are_in_host(&origin);
    (origin.len() <= MAX && !has_secret).then(|| format!("{origin}/…"))
}

/// Whether the text has a token, itself or decoded. A `%` without two digits stays, so that it hides nothing.
fn has_token(text: &str, prefixes: &Prefixes, reported: &ReportedTexts) -> bool {
    let mut text = text.to_owned();
    for _ in 0..MAX_ENCODINGS {
        if reported.are_in(&text) || prefixes.redact(&text) != text {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

/// Whether a fragment names lines, as in `L7` or `L7-L9`.
fn is_lines(fragment: &str) -> bool {
    fragment.split('-').count() <= 2
        && fragment.split('-').all(|part| {
            let digits = part.strip_prefix('L').unwrap_or_default();
            (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "pat_Q7mZ0aKd93XbQ7mZ0aKd93XbQ7mZ0aKd93Xb";
    const IMPORTED: &str = "17|s3cretS3cretS3cret";
    const BASE64: &str = "AbCd+EfGh/IjKl+MnOp\r\n";

    fn stored(url: &str) -> Option<String> {
        location(url, &Prefixes::default(), &ReportedTexts::of([TOKEN, IMPORTED, BASE64, ""].into_iter()))
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_not_stored() {
        let github = "https://github.com/o/r/blob/0a1b/.env#L7";
        for (url, expected) in [
            (github, Some(github)),
            (
                "https://github.com/o/r/blob/0a1b/.env#L7-L19",
                Some("https://github.com/o/r/blob/0a1b/.env#L7-L19"),
            ),
            ("http://a.test:8080/x", Some("http://a.test:8080/x")),
            ("https://me:s3cret@a.test/x?key=s3cret#s3cret", Some("https://a.test/x")),
            ("https://a.test/x#L7x", Some("https://a.test/x")),
            ("https://a.test", Some("https://a.test/")),
            ("", None),
            ("a.test/x", None),
            ("javascript:alert(1)", None),
            ("file:///etc/passwd", None),
            ("ftp://a.test/x", None),
            ("https://", None),
        ] {
            assert_eq!(stored(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_url_with_a_token_is_cut_to_its_origin() {
        let hidden = TOKEN.replace('a', "%61");
        let twice = TOKEN.replace('a', "%2561");
        for path in [TOKEN, &hidden, &twice, "17%7Cs3cretS3cretS3cret", &TOKEN[..20]] {
            assert_eq!(
                stored(&format!("https://a.test/{path}/x")).as_deref(),
                Some("https://a.test/…"),
                "{path}"
            );
        }
        for path in [
            "AbCd+EfGh/IjKl+MnOp",
            "AbCd%2BEfGh%2FIjKl%2BMnOp",
            "AbCd%2BEfGh/IjKl+MnOp",
            "AbCd%252BEfGh%252FIjKl%252BMnOp",
            "AbCd%20EfGh/IjKl%20MnOp",
            "%zz/17%7Cs3cretS3cretS3cret",
            "100%/AbCd%2BEfGh%2FIjKl%2BMnOp",
        ] {
            let url = format!("https://a.test/x/{path}/x");
            assert_eq!(stored(&url).as_deref(), Some("https://a.test/…"), "{path}");
        }
        let shown = "https://a.test/a+b/%zz/AbCd+EfGh";
        assert_eq!(stored(shown).as_deref(), Some(shown));
        let shown = "https://a.test/pat_Q7mZ0aKd93Xb";
        assert_eq!(stored(shown).as_deref(), Some(shown), "a public id is no secret");
        assert_eq!(stored(&format!("https://{TOKEN}.a.test/x/{TOKEN}")), None);
        assert_eq!(
            stored(&format!("https://a.test/{}", "x".repeat(MAX))).as_deref(),
            Some("https://a.test/…")
        );
    }
}
