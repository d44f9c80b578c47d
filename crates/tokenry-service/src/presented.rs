//! The credential that a request presents, for the adapters of every framework.

use thiserror::Error;

/// Maximum length of an `Authorization` header with a token, in bytes; no token is longer.
pub const MAX_CREDENTIAL: usize = 512;

/// Why the headers have no bearer credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BearerError {
    /// There is no `Authorization` header, or one with another scheme, which counts as none (RFC 6750, section 3.1).
    #[error("no bearer credential")]
    Missing,
    /// The header is repeated, or is not a scheme and one value.
    #[error("malformed credential")]
    Malformed,
}

/// The bearer credential of a request, unchanged. `lines` are the values of all its `Authorization` headers.
///
/// # Errors
/// [`BearerError`].
pub fn bearer<'h>(lines: impl IntoIterator<Item = &'h [u8]>) -> Result<&'h [u8], BearerError> {
    let mut lines = lines.into_iter();
    let header = lines.next().ok_or(BearerError::Missing)?;
    if lines.next().is_some() {
        return Err(BearerError::Malformed);
    }
    let (scheme, rest) = match header.iter().position(|b| *b == b' ') {
        Some(space) => header.split_at(space),
        None => (header, &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(BearerError::Missing);
    }
    let credential = rest.trim_ascii();
    // A credential is one word; a second one must not be dropped silently.
    let is_one_word = !credential.is_empty() && !credential.iter().any(|b| matches!(b, b' ' | b'\t' | b','));
    if is_one_word { Ok(credential) } else { Err(BearerError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[&'static [u8]]) -> Result<&'static [u8], BearerError> {
        bearer(headers.iter().copied())
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        for header in ["Bearer pat_x", "bearer pat_x", "BEARER   pat_x", "Bearer pat_x "] {
            assert_eq!(read(&[header.as_bytes()]), Ok(b"pat_x".as_slice()), "{header}");
        }
    }

    #[test]
    fn a_missing_header_and_other_schemes_count_as_no_credential() {
        assert_eq!(read(&[]), Err(BearerError::Missing));
        for header in ["Basic cGF0", "Token pat_x", "pat_x", "Bearerpat_x", ""] {
            assert_eq!(read(&[header.as_bytes()]), Err(BearerError::Missing), "{header}");
        }
    }

    #[test]
    fn repeated_and_malformed_credentials_are_rejected() {
        for headers in [
            &[&b"Bearer pat_x"[..], b"Bearer pat_x"][..],
            &[b"Bearer pat_x", b"Basic cGF0"],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer pat_x pat_y"],
            &[b"Bearer pat_x, Bearer pat_y"],
            &[b"Bearer pat_x,pat_y"],
        ] {
            assert_eq!(read(headers), Err(BearerError::Malformed), "{headers:?}");
        }
    }
}
