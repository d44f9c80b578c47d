//! The published patterns of tokens.

use serde_json::json;
use tokenry_actix::{
    HttpSettings,
    tokenry::{PatternFormat, Prefix},
};
use tokenry_testkit::each_backend;

use crate::api::Api;

const PATH: &str = "/.well-known/tokenry/patterns";

each_backend!(the_patterns_of_the_installation_are_public, |db| {
    let api = Api::with(
        db,
        |settings| settings.former_prefixes = vec![Prefix::parse("mcp_pat_").unwrap()],
        HttpSettings::default(),
    );
    let response = api.call("GET", PATH, "");
    assert_eq!((response.status, response.header("content-type")), (200, "application/json"));
    assert_eq!(
        response.json(),
        json!({ "patterns": [{
            "name": "tokenry-pat",
            "description": "Personal access token of Tokenry (pat_)",
            "prefixes": ["mcp_pat_", "pat_"],
            "regex": "(?:mcp_pat_|pat_)[A-Za-z0-9]{54}[AEIMQUYcgkosw048][0-4][A-Za-z0-9]{5}(?![A-Za-z0-9])",
            "re2": "((?:mcp_pat_|pat_)[A-Za-z0-9]{54}[AEIMQUYcgkosw048][0-4][A-Za-z0-9]{5})(?:[^A-Za-z0-9]|$)",
            "checksum": "crc32-base62",
        }] })
    );
    for format in PatternFormat::ALL {
        let response = api.call("GET", &format!("{PATH}?format={}", format.as_str()), "");
        assert_eq!((response.status, response.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert_eq!(response.body, format.write(&api.tokenry.token_patterns()));
    }
    api.call("GET", &format!("{PATH}?format=yara"), "").is_problem(422, "validation_failed");
    api.call("GET", &format!("{PATH}?secret=x"), "").is_problem(422, "validation_failed");
});
