//! Leaked tokens as JSON, and the patterns by which they are found.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokenry_service::{LeakReport as Report, LeakVerdict, TokenPattern, patterns};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    error::{ApiError, FieldProblem},
    json,
};

/// The most reports of one request.
pub(crate) const MAX_REPORTS: usize = 1000;
/// The most values of one request, also in fields that are not used: 16 for each entry.
const MAX_VALUES: usize = 16 * MAX_REPORTS;
/// The longest URL, in characters.
const MAX_URL: usize = 2048;
/// The longest type and source, in characters.
const MAX_WORD: usize = 255;

/// A text that was found where others can read it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakReport {
    /// What was found.
    token: String,
    /// The URL where it was found. Without user name, password and query it is in the audit log.
    #[serde(default)]
    #[schema(max_length = 2048, example = "https://github.com/octocat/Hello-World/blob/main/.env#L7")]
    url: Option<String>,
    /// The name of the pattern that found it; not used.
    #[serde(default, rename = "type")]
    #[schema(max_length = 255)]
    kind: Option<String>,
    /// The kind of place; not used.
    #[serde(default)]
    #[schema(max_length = 255, example = "commit")]
    source: Option<String>,
}

/// An entry of a report of GitHub, which may get more fields.
#[cfg(feature = "github")]
#[derive(Deserialize)]
pub(crate) struct SignedLeakReport {
    token: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// GitHub's feedback about one match: whether it is a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeakFeedback {
    /// SHA-256 of the match, in hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    token_hash: String,
    /// The name of the pattern, as reported.
    token_type: String,
    /// `true_positive` or `false_positive`.
    #[schema(value_type = String, example = "true_positive")]
    label: &'static str,
}

/// All errors of the reports of a request.
fn check(reports: &[LeakReport]) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    for (index, LeakReport { url, kind, source, .. }) in reports.iter().enumerate() {
        for (name, text, max) in
            [("url", url, MAX_URL), ("type", kind, MAX_WORD), ("source", source, MAX_WORD)]
        {
            if text.as_ref().is_some_and(|text| text.chars().nth(max).is_some()) {
                let detail = format!("Must be at most {max} characters.");
                errors.push(FieldProblem::new(format!("/{index}/{name}"), "too_long", detail));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::ValidationFailed(errors)) }
}

/// The entries of a report.
///
/// SECURITY: counted before the tree is built, which may take a hundred times the memory of the body.
fn entries<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, ApiError> {
    let json::Size { elements, values } = json::size(body);
    for (count, max, what) in [(elements, MAX_REPORTS, "entries"), (values, MAX_VALUES, "values")] {
        if count > max {
            return Err(ApiError::field("", "too_many", format!("Must have at most {max} {what}.")));
        }
    }
    json::read(body, None)
}

impl LeakReport {
    /// The reports of a request.
    ///
    /// # Errors
    /// Those of [`json::read`]; [`ApiError::ValidationFailed`] if there are more than [`MAX_REPORTS`] or one has a field that
    /// is too long.
    pub(crate) fn all(body: &[u8]) -> Result<Vec<Report>, ApiError> {
        let reports: Vec<Self> = entries(body)?;
        check(&reports)?;
        Ok(reports
            .into_iter()
            .map(|Self { token, url, .. }| Report::new(Zeroizing::new(token), url))
            .collect())
    }
}

#[cfg(feature = "github")]
impl SignedLeakReport {
    /// The reports of a request and the names of their patterns.
    ///
    /// # Errors
    /// Those of [`json::read`]; [`ApiError::ValidationFailed`] if there are more than [`MAX_REPORTS`].
    pub(crate) fn all(body: &[u8]) -> Result<(Vec<Report>, Vec<String>), ApiError> {
        let reports: Vec<Self> = entries(body)?;
        let (mut found, mut kinds) = (Vec::new(), Vec::new());
        for Self { token, url, kind } in reports {
            found.push(Report::new(Zeroizing::new(token), url.filter(|url| url.len() <= MAX_URL)));
            kinds.push(kind.unwrap_or_default());
        }
        Ok((found, kinds))
    }
}

impl LeakFeedback {
    /// The feedback about a report; `None` where it is not known whether the text ever was a token.
    pub(crate) fn new(report: &Report, kind: &str, verdict: LeakVerdict) -> Option<Self> {
        let label = match verdict {
            LeakVerdict::Known => "true_positive",
            LeakVerdict::Malformed => "false_positive",
            LeakVerdict::Unknown | LeakVerdict::Undecided => return None,
        };
        Some(Self { token_hash: report.fingerprint(), token_type: kind.to_owned(), label })
    }
}

/// How the tokens of this installation are found in other texts.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPatterns {
    /// One for Tokenry's own tokens, and one for each kind of imported tokens that has a prefix.
    patterns: Vec<TokenPatternInfo>,
}

/// One kind of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPatternInfo {
    /// Unique among the patterns of this installation.
    #[schema(pattern = "^[a-z0-9-]+$", example = "tokenry-pat")]
    name: String,
    /// What the tokens are.
    description: String,
    /// Every token begins with one of these texts.
    #[schema(example = json!(["pat_"]))]
    prefixes: Vec<String>,
    /// A regular expression with a lookahead, which matches the token.
    regex: String,
    /// One without assertions, for RE2 and Go, whose first group is the token.
    re2: String,
    /// `crc32-base62` if the last six characters are a CRC-32 (ISO 3309) of the text before them in base62 (`0-9A-Za-z`),
    /// most significant digit first.
    #[schema(required = true, value_type = Option<String>, example = "crc32-base62")]
    checksum: Option<&'static str>,
}

impl From<&[TokenPattern]> for TokenPatterns {
    fn from(patterns: &[TokenPattern]) -> Self {
        Self { patterns: patterns.iter().map(TokenPatternInfo::from).collect() }
    }
}

impl From<&TokenPattern> for TokenPatternInfo {
    fn from(pattern: &TokenPattern) -> Self {
        Self {
            name: pattern.name().to_owned(),
            description: pattern.description().to_owned(),
            prefixes: pattern.prefixes().to_vec(),
            regex: patterns::with_lookahead(pattern),
            re2: patterns::with_group(pattern),
            checksum: pattern.is_checksummed().then_some("crc32-base62"),
        }
    }
}
