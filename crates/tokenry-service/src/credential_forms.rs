//! [`CredentialForms`]: the ways to present a token besides `Authorization: Bearer`.

use thiserror::Error;

/// The ways to present a token besides `Authorization: Bearer`. Default: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialForms {
    basic: BasicForm,
    token_scheme: bool,
    headers: Vec<String>,
}

/// Which part of `Authorization: Basic` (RFC 7617) is the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BasicForm {
    /// None: the scheme is not accepted.
    #[default]
    Off,
    /// The password, with any user name.
    Password,
    /// The user name, with any password.
    Username,
    /// The password; the user name if the password is empty or `x-oauth-basic`, as clients of git send it.
    Either,
    /// The password, with any user name, both encoded like a form: `client_secret_basic` of RFC 6749, section 2.3.1.
    ClientSecret,
}

/// Why a header cannot carry a token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderNameError {
    /// Not a name of ASCII letters, digits and `-`. Other characters are treated like `-` by some systems, which would make
    /// two headers of one.
    #[error("`{0}` is no header name of letters, digits and `-`")]
    Malformed(String),
    /// The header has another meaning.
    #[error("the header `{0}` has another meaning")]
    Reserved(String),
    /// The same name twice.
    #[error("the header `{0}` is listed twice")]
    Repeated(String),
    /// More than [`MAX_HEADERS`](CredentialForms::MAX_HEADERS) names.
    #[error("at most {} headers are possible", CredentialForms::MAX_HEADERS)]
    TooMany,
}

/// Headers that have another meaning. Those that begin with `X-Forwarded-` and `Sec-` have, too.
const RESERVED: &[&str] = &[
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "if-match",
    "origin",
    "proxy-authorization",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-original-method",
    "x-original-uri",
    "x-real-ip",
    "x-request-id",
    "x-tokenry-request",
];

impl CredentialForms {
    /// Maximum number of named headers.
    pub const MAX_HEADERS: usize = 8;

    /// Accepts a token in `Authorization: Basic`.
    #[must_use]
    pub fn with_basic(self, basic: BasicForm) -> Self {
        Self { basic, ..self }
    }

    /// Whether `Authorization: token …` is accepted.
    #[must_use]
    pub fn with_token_scheme(self, token_scheme: bool) -> Self {
        Self { token_scheme, ..self }
    }

    /// Accepts a token in these headers, such as `X-API-Key`.
    ///
    /// # Errors
    /// [`HeaderNameError`].
    pub fn with_headers<S: AsRef<str>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, HeaderNameError> {
        let mut headers: Vec<String> = Vec::new();
        for name in names {
            let name = header_name(name.as_ref())?;
            if headers.contains(&name) {
                return Err(HeaderNameError::Repeated(name));
            }
            headers.push(name);
        }
        if headers.len() > Self::MAX_HEADERS {
            return Err(HeaderNameError::TooMany);
        }
        Ok(Self { headers, ..self })
    }

    /// Which part of `Authorization: Basic` is the token.
    #[must_use]
    pub fn basic(&self) -> BasicForm {
        self.basic
    }

    /// Whether `Authorization: Basic` is accepted, which a challenge then says.
    #[must_use]
    pub fn offers_basic(&self) -> bool {
        self.basic != BasicForm::Off
    }

    /// Whether `Authorization: token …` is accepted.
    #[must_use]
    pub fn token_scheme(&self) -> bool {
        self.token_scheme
    }

    /// The headers with a token, in lower case.
    #[must_use]
    pub fn headers(&self) -> &[String] {
        &self.headers
    }
}

/// The name in lower case.
fn header_name(name: &str) -> Result<String, HeaderNameError> {
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-');
    if !is_name {
        return Err(HeaderNameError::Malformed(name.to_owned()));
    }
    let name = name.to_ascii_lowercase();
    let is_reserved = RESERVED.contains(&name.as_str())
        || ["x-forwarded-", "sec-", "x-resource-"].iter().any(|start| name.starts_with(start));
    if is_reserved { Err(HeaderNameError::Reserved(name)) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_another_meaning_are_rejected() {
        let names = |names: &[&str]| CredentialForms::default().with_headers(names);
        let forms = names(&["X-API-Key", "Private-Token"]).unwrap();
        assert_eq!(forms.headers(), ["x-api-key", "private-token"]);
        for name in
            ["Cookie", "AUTHORIZATION", "x-forwarded-for", "Sec-Fetch-Site", "X-Resource-User", "host"]
        {
            assert_eq!(names(&[name]), Err(HeaderNameError::Reserved(name.to_lowercase())));
        }
        for name in ["", "x_api_key", "X API", "x:y", "-x", "é"] {
            assert_eq!(names(&[name]), Err(HeaderNameError::Malformed(name.to_owned())));
        }
        assert_eq!(names(&["x-a", "X-A"]), Err(HeaderNameError::Repeated("x-a".to_owned())));
        let many: Vec<_> = (0..=CredentialForms::MAX_HEADERS).map(|n| format!("x-{n}")).collect();
        assert_eq!(CredentialForms::default().with_headers(many), Err(HeaderNameError::TooMany));
    }
}
