//! The credential that a request presents, for the adapters of every framework.

mod basic;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::credential_forms::{BasicForm, CredentialForms};

/// Maximum length of a token, and of an `Authorization` header with one, in bytes; no token is longer.
pub const MAX_CREDENTIAL: usize = 512;

/// Maximum length of an `Authorization: Basic` header, in bytes: it is encoded, and has a user name besides.
const MAX_BASIC: usize = 2048;

const AUTHORIZATION: &str = "authorization";

/// Why a request has no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PresentedError {
    /// There is no header with a credential, or an `Authorization` header with a scheme that is not accepted, which counts
    /// as none (RFC 6750, section 3.1).
    #[error("no credential")]
    Missing,
    /// A header is repeated or not a scheme and one value, or there are two credentials.
    #[error("malformed credential")]
    Malformed,
}

/// The one credential of a request.
pub struct Presented<'h> {
    value: Value<'h>,
    is_too_long: bool,
}

enum Value<'h> {
    Bearer(&'h [u8]),
    Header(&'h [u8]),
    Decoded(Zeroizing<Vec<u8>>),
}

impl<'h> Presented<'h> {
    /// A text that was presented in the body of a request.
    #[must_use]
    pub fn in_body(text: &'h [u8]) -> Self {
        Self { value: Value::Header(text), is_too_long: text.len() > MAX_CREDENTIAL }
    }

    fn in_header(line: &[u8], value: Value<'h>) -> Self {
        Self { value, is_too_long: line.len() > MAX_CREDENTIAL }
    }

    /// The value of `Authorization: Bearer`, of any length: the only form in which a credential can be a JWT.
    #[must_use]
    pub fn bearer(&self) -> Option<&'h [u8]> {
        match self.value {
            Value::Bearer(bearer) => Some(bearer),
            _ => None,
        }
    }

    /// Whether it was presented by `Authorization: Basic`, which browsers also send on their own.
    #[must_use]
    pub fn is_basic(&self) -> bool {
        matches!(self.value, Value::Decoded(_))
    }

    /// The presented token; nothing, which no token equals, if it is longer than any token.
    #[must_use]
    pub fn token(&self) -> &[u8] {
        match &self.value {
            _ if self.is_too_long => &[],
            Value::Bearer(token) | Value::Header(token) => token,
            Value::Decoded(token) => token,
        }
    }
}

/// The credential in the headers of a request. `lines` returns the values of all headers with a name, which is in lower
/// case. `is_token` says whether a text has the form of a token.
///
/// SECURITY: header and scheme alone decide which form a credential has; it is never tried as another form, and a second
/// credential is an error even if its form is not accepted.
///
/// # Errors
/// [`PresentedError`].
pub fn presented<'h, L: Iterator<Item = &'h [u8]>>(
    forms: &CredentialForms,
    lines: impl Fn(&str) -> L,
    is_token: impl Fn(&[u8]) -> bool,
) -> Result<Presented<'h>, PresentedError> {
    let authorization = at_most_one(lines(AUTHORIZATION))?;
    let mut credential = None;
    for name in forms.headers() {
        let Some(line) = at_most_one(lines(name))? else { continue };
        if authorization.is_some() || credential.is_some() {
            return Err(PresentedError::Malformed);
        }
        credential = Some(Presented::in_header(line, Value::Header(one_word(line)?)));
    }
    match authorization {
        Some(line) => in_authorization(line, forms, is_token),
        None => credential.ok_or(PresentedError::Missing),
    }
}

/// Whether a request has a header that can carry a credential of these forms.
pub fn has_credential<'h, L: Iterator<Item = &'h [u8]>>(
    forms: &CredentialForms,
    lines: impl Fn(&str) -> L,
) -> bool {
    let named = forms.headers().iter().map(String::as_str);
    std::iter::once(AUTHORIZATION).chain(named).any(|name| lines(name).next().is_some())
}

/// The credential of an `Authorization` header.
fn in_authorization<'h>(
    line: &'h [u8],
    forms: &CredentialForms,
    is_token: impl Fn(&[u8]) -> bool,
) -> Result<Presented<'h>, PresentedError> {
    let (scheme, rest) = match line.iter().position(|b| *b == b' ') {
        Some(space) => line.split_at(space),
        None => (line, &[][..]),
    };
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(Presented::in_header(line, Value::Bearer(one_word(rest)?)));
    }
    if forms.token_scheme() && scheme.eq_ignore_ascii_case(b"token") {
        return Ok(Presented::in_header(line, Value::Header(one_word(rest)?)));
    }
    if forms.basic() == BasicForm::Off || !scheme.eq_ignore_ascii_case(b"basic") {
        return Err(PresentedError::Missing);
    }
    let encoded = one_word(rest)?;
    if line.len() > MAX_BASIC {
        return Ok(Presented { value: Value::Header(encoded), is_too_long: true });
    }
    let token = basic::token(encoded, forms.basic(), is_token)?;
    Ok(Presented { is_too_long: token.len() > MAX_CREDENTIAL, value: Value::Decoded(token) })
}

/// The value of a header that may be sent at most once.
fn at_most_one<'h>(mut lines: impl Iterator<Item = &'h [u8]>) -> Result<Option<&'h [u8]>, PresentedError> {
    match (lines.next(), lines.next()) {
        (line, None) => Ok(line),
        _ => Err(PresentedError::Malformed),
    }
}

/// A credential is one word; a second one must not be dropped silently.
fn one_word(text: &[u8]) -> Result<&[u8], PresentedError> {
    let word = text.trim_ascii();
    let is_one_word = !word.is_empty() && !word.iter().any(|b| matches!(b, b' ' | b'\t' | b','));
    if is_one_word { Ok(word) } else { Err(PresentedError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers = [(&'static str, &'static str)];

    fn all_forms() -> CredentialForms {
        CredentialForms::default()
            .with_basic(BasicForm::Either)
            .with_token_scheme(true)
            .with_headers(["X-API-Key", "Private-Token"])
            .unwrap()
    }

    /// The presented token, and whether it can be a JWT.
    fn read(forms: &CredentialForms, headers: &Headers) -> Result<(String, bool), PresentedError> {
        let lines = |name: &str| {
            let name = name.to_owned();
            headers.iter().filter(move |(known, _)| *known == name).map(|(_, line)| line.as_bytes())
        };
        let presented = presented(forms, lines, |text| text.starts_with(b"pat_"))?;
        assert!(has_credential(forms, lines));
        Ok((String::from_utf8(presented.token().to_vec()).unwrap(), presented.bearer().is_some()))
    }

    fn bearer(lines: &[&'static str]) -> Result<String, PresentedError> {
        let headers: Vec<_> = lines.iter().map(|line| ("authorization", *line)).collect();
        let (default, all) = (read(&CredentialForms::default(), &headers), read(&all_forms(), &headers));
        if default != Err(PresentedError::Missing) {
            assert_eq!(default, all, "other forms change nothing about Bearer: {lines:?}");
        }
        default.map(|(token, _)| token)
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        for line in ["Bearer pat_x", "bearer pat_x", "BEARER   pat_x", "Bearer pat_x "] {
            assert_eq!(bearer(&[line]).as_deref(), Ok("pat_x"), "{line}");
        }
    }

    #[test]
    fn a_missing_header_and_other_schemes_count_as_no_credential() {
        assert_eq!(bearer(&[]), Err(PresentedError::Missing));
        for line in ["Basic bWU6cGF0X3g=", "Token pat_x", "pat_x", "Bearerpat_x", "", "Digest x"] {
            assert_eq!(bearer(&[line]), Err(PresentedError::Missing), "{line}");
        }
    }

    #[test]
    fn repeated_and_malformed_credentials_are_rejected() {
        for lines in [
            &["Bearer pat_x", "Bearer pat_x"][..],
            &["Bearer pat_x", "Basic cGF0"],
            &["Bearer"],
            &["Bearer "],
            &["Bearer pat_x pat_y"],
            &["Bearer pat_x, Bearer pat_y"],
            &["Bearer pat_x,pat_y"],
        ] {
            assert_eq!(bearer(lines), Err(PresentedError::Malformed), "{lines:?}");
        }
    }

    #[test]
    fn each_accepted_form_presents_a_token_and_never_a_jwt() {
        for headers in [
            &[("authorization", "Basic bWU6cGF0X3g=")],
            &[("authorization", "basic cGF0X3g6")],
            &[("authorization", "token pat_x")],
            &[("authorization", "Token  pat_x")],
            &[("x-api-key", "pat_x")],
            &[("private-token", " pat_x ")],
        ] {
            assert_eq!(read(&all_forms(), headers), Ok(("pat_x".to_owned(), false)), "{headers:?}");
            assert_eq!(read(&CredentialForms::default(), headers), Err(PresentedError::Missing));
        }
    }

    #[test]
    fn two_credentials_are_rejected_whatever_their_forms() {
        for headers in [
            &[("authorization", "Bearer pat_x"), ("x-api-key", "pat_x")][..],
            &[("authorization", "Digest x"), ("x-api-key", "pat_x")],
            &[("authorization", ""), ("x-api-key", "pat_x")],
            &[("private-token", "pat_x"), ("x-api-key", "pat_x")],
            &[("x-api-key", "pat_x"), ("x-api-key", "pat_x")],
            &[("x-api-key", "")],
            &[("x-api-key", "pat_x, pat_y")],
            &[("authorization", "Basic")],
            &[("authorization", "Basic !!!")],
            &[("authorization", "token")],
        ] {
            assert_eq!(read(&all_forms(), headers), Err(PresentedError::Malformed), "{headers:?}");
        }
    }

    #[test]
    fn a_token_longer_than_any_token_is_none() {
        let long: &'static str = "x".repeat(MAX_CREDENTIAL).leak();
        let line: &'static str = format!("Bearer {long}").leak();
        assert_eq!(read(&all_forms(), &[("authorization", line)]), Ok((String::new(), true)));
        assert_eq!(read(&all_forms(), &[("x-api-key", long)]), Ok((long.to_owned(), false)));
        let longer: &'static str = format!("{long}x").leak();
        assert_eq!(read(&all_forms(), &[("x-api-key", longer)]), Ok((String::new(), false)));
        assert_eq!(Presented::in_body(longer.as_bytes()).token(), b"");
    }
}
