//! The metadata of a provider (OpenID Connect Discovery 1.0, RFC 8414).

use serde_json::{Map, Value};

use super::web_url::is_endpoint;

/// What a provider publishes about itself, as far as it is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) end_session_endpoint: Option<String>,
    /// Whether every authorization response has `iss` (RFC 9207).
    pub(super) sends_issuer: bool,
    /// The lists of what it supports; `None` if it does not say.
    pub(super) response_types: Option<Vec<String>>,
    pub(super) challenge_methods: Option<Vec<String>>,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) client_auths: Option<Vec<String>>,
}

/// The URL of the metadata.
pub(super) fn url_of(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

impl Metadata {
    /// Parses the metadata of this issuer.
    ///
    /// SECURITY: the metadata must name exactly the configured issuer; otherwise one provider could name the endpoints of
    /// another (RFC 8414, section 3.3). The endpoints of an https issuer are https too, so that neither browsers nor the
    /// client secret are sent to a program on a machine of their own.
    pub(super) fn parse(text: &str, issuer: &str) -> Result<Self, String> {
        let all: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| "its metadata is not a JSON object".to_owned())?;
        match all.get("issuer").and_then(Value::as_str) {
            Some(named) if named == issuer => {}
            Some(named) => {
                let named: String = named.chars().take(200).collect();
                return Err(format!("its metadata names the issuer {named:?}; set issuer to exactly that"));
            }
            None => return Err("its metadata names no issuer".to_owned()),
        }
        let endpoint = |name| endpoint(&all, name, issuer);
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?,
            end_session_endpoint: all
                .contains_key("end_session_endpoint")
                .then(|| endpoint("end_session_endpoint"))
                .transpose()?,
            sends_issuer: all.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            response_types: texts(&all, "response_types_supported"),
            challenge_methods: texts(&all, "code_challenge_methods_supported"),
            algorithms: texts(&all, "id_token_signing_alg_values_supported"),
            client_auths: texts(&all, "token_endpoint_auth_methods_supported"),
        })
    }
}

fn endpoint(all: &Map<String, Value>, name: &str, issuer: &str) -> Result<String, String> {
    match all.get(name).and_then(Value::as_str) {
        Some(url) if is_endpoint(url, issuer) => Ok(url.to_owned()),
        Some(_) => Err(format!("its {name} is not an https URL")),
        None => Err(format!("its metadata has no {name}")),
    }
}

fn texts(all: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let items = all.get(name)?.as_array()?;
    Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.test";

    const ENDPOINTS: [&str; 4] =
        ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"];

    fn parse(change: impl FnOnce(&mut Value)) -> Result<Metadata, String> {
        let mut all = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.test/auth",
            "token_endpoint": "https://id.test/token",
            "jwks_uri": "https://id.test/jwks",
        });
        change(&mut all);
        Metadata::parse(&all.to_string(), ISSUER)
    }

    #[test]
    fn only_metadata_of_exactly_the_configured_issuer_is_accepted() {
        assert_eq!(url_of(ISSUER), url_of("https://id.test/"));
        let metadata = parse(|_| {}).unwrap();
        assert_eq!((metadata.end_session_endpoint, metadata.sends_issuer), (None, false));
        for issuer in [json!("https://id.test/"), json!("https://evil.test"), json!(null), json!([ISSUER])] {
            let error = parse(|all| all["issuer"] = issuer).unwrap_err();
            assert!(error.contains("issuer"), "{error}");
        }
        assert!(Metadata::parse("[]", ISSUER).is_err());
    }

    #[test]
    fn an_endpoint_that_is_missing_or_no_web_address_is_rejected() {
        for name in ENDPOINTS {
            for value in [json!("javascript:alert(1)"), json!("http://id.test/x"), json!(1)] {
                let error = parse(|all| all[name] = value).unwrap_err();
                assert!(error.contains(name), "{error}");
            }
        }
        let all = parse(|all| {
            all["end_session_endpoint"] = json!("https://id.test/out");
            all["authorization_response_iss_parameter_supported"] = json!(true);
        });
        let all = all.unwrap();
        assert_eq!(
            (all.end_session_endpoint.as_deref(), all.sends_issuer),
            (Some("https://id.test/out"), true)
        );
    }

    #[test]
    fn an_endpoint_of_an_https_issuer_is_never_plain_http_on_this_machine() {
        let at = |issuer: &str, name: &str, url: &str| {
            let mut all: Value = ENDPOINTS
                .iter()
                .map(|name| ((*name).to_owned(), json!(format!("{issuer}/{name}"))))
                .collect();
            all["issuer"] = json!(issuer);
            all[name] = json!(url);
            Metadata::parse(&all.to_string(), issuer).map(|_| ())
        };
        for name in ENDPOINTS {
            for url in
                ["http://127.0.0.1:9000/x", "http://localhost/x", "http://[::1]/x", "HTTP://127.0.0.1/x"]
            {
                for issuer in [ISSUER, "HTTPS://id.test"] {
                    assert_eq!(
                        at(issuer, name, url),
                        Err(format!("its {name} is not an https URL")),
                        "{url}"
                    );
                }
                // The control: a provider on this machine.
                for issuer in ["http://127.0.0.1:9000", "http://localhost:9000"] {
                    assert_eq!(at(issuer, name, url), Ok(()), "{url}");
                }
            }
            assert_eq!(at(ISSUER, name, "HTTPS://id.test/x"), Ok(()));
            assert_eq!(at("http://127.0.0.1:9000", name, "https://id.test/x"), Ok(()));
        }
    }
}
