//! The patterns of tokens, for scanners of leaked secrets.

use actix_web::{HttpResponse, web::Data};
use macro_rules_attribute::apply;
use tokenry_service::{PatternFormat, Tokenry};

use super::endpoint;
use crate::{
    access::Public,
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// How the tokens of this installation are found in texts and files. With `format`, a text for one program: `regex`, `re2`,
/// `gitleaks`, `trufflehog`, `detect-secrets`, `secretlint` or `github`.
#[apply(endpoint)]
#[openapi(tag = "verification",
    params(("format" = Option<String>, Query, pattern = "^(regex|re2|gitleaks|trufflehog|detect-secrets|secretlint|github)$", description = "The program that reads the text.")),
    responses(
    (status = 200, description = "The patterns, or with `format` the text.",
        content((wire::TokenPatterns = "application/json"), (String = "text/plain"))),
))]
pub(crate) async fn show_patterns(
    _: Public,
    StrictQuery(PatternsQuery(format)): StrictQuery<PatternsQuery>,
    tokenry: Data<Tokenry>,
) -> HttpResponse {
    let patterns = tokenry.token_patterns();
    match format {
        None => HttpResponse::Ok().json(wire::TokenPatterns::from(patterns.as_slice())),
        Some(format) => {
            HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format.write(&patterns))
        }
    }
}

#[derive(Debug)]
pub(crate) struct PatternsQuery(Option<PatternFormat>);

impl FromQuery for PatternsQuery {
    const NAMES: &'static [&'static str] = &["format"];

    fn from_query(query: &mut Query) -> Self {
        Self(query.parse("format", "regex, re2, gitleaks, trufflehog, detect-secrets, secretlint or github"))
    }
}
