//! The token in `Authorization: Basic` (RFC 7617).

use base64::{Engine as _, decoded_len_estimate, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::PresentedError;
use crate::{credential_forms::BasicForm, form_encoding};

/// The password that clients of git send with a token as the user name.
const NO_PASSWORD: &[u8] = b"x-oauth-basic";

/// The token of an encoded user name and password. If both have the form of a token, it is ambiguous which one is meant,
/// except for OAuth clients, whose id is ignored.
pub(super) fn token(
    encoded: &[u8],
    form: BasicForm,
    is_token: impl Fn(&[u8]) -> bool,
) -> Result<Zeroizing<Vec<u8>>, PresentedError> {
    // A partly decoded secret is overwritten, too.
    let mut decoded = Zeroizing::new(vec![0; decoded_len_estimate(encoded.len())]);
    let length = STANDARD.decode_slice(encoded, &mut decoded).map_err(|_| PresentedError::Malformed)?;
    decoded.truncate(length);
    let mut parts = decoded.splitn(2, |b| *b == b':');
    let (Some(name), Some(password)) = (parts.next(), parts.next()) else {
        return Err(PresentedError::Malformed);
    };
    let (name, password) = match form {
        BasicForm::ClientSecret => (form_decoded(name)?, form_decoded(password)?),
        _ => (Zeroizing::new(name.to_vec()), Zeroizing::new(password.to_vec())),
    };
    if form != BasicForm::ClientSecret && is_token(&name) && is_token(&password) {
        return Err(PresentedError::Malformed);
    }
    let is_in_name = match form {
        BasicForm::Username => true,
        BasicForm::Either => password.is_empty() || *password == NO_PASSWORD,
        BasicForm::Off | BasicForm::Password | BasicForm::ClientSecret => false,
    };
    Ok(if is_in_name { name } else { password })
}

fn form_decoded(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, PresentedError> {
    form_encoding::decode(text).map(Zeroizing::new).ok_or(PresentedError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pair: &str, form: BasicForm) -> Result<String, PresentedError> {
        let is_token = |text: &[u8]| text.starts_with(b"pat_");
        let token = token(STANDARD.encode(pair).as_bytes(), form, is_token)?;
        Ok(String::from_utf8(token.to_vec()).unwrap())
    }

    #[test]
    fn the_form_decides_which_part_is_the_token() {
        for (pair, form, expected) in [
            ("me:pat_x", BasicForm::Password, Some("pat_x")),
            (":pat_x", BasicForm::Password, Some("pat_x")),
            ("pat_x:", BasicForm::Password, Some("")),
            ("pat_x:", BasicForm::Username, Some("pat_x")),
            ("pat_x:secret", BasicForm::Username, Some("pat_x")),
            ("me:pat_x", BasicForm::Username, Some("me")),
            ("pat_x:", BasicForm::Either, Some("pat_x")),
            ("pat_x:x-oauth-basic", BasicForm::Either, Some("pat_x")),
            ("x-access-token:pat_x", BasicForm::Either, Some("pat_x")),
            ("pat_x:other", BasicForm::Either, Some("other")),
            ("me:a:b", BasicForm::Password, Some("a:b")),
            ("pat_x:pat_y", BasicForm::Password, None),
            ("pat_x:pat_y", BasicForm::Username, None),
            ("pat_x:pat_x", BasicForm::Either, None),
            ("no colon", BasicForm::Either, None),
            ("my%20client:7%7Cse%2Bcret", BasicForm::ClientSecret, Some("7|se+cret")),
            ("pat_x:pat_y", BasicForm::ClientSecret, Some("pat_y")),
            ("my+client:a+b", BasicForm::ClientSecret, Some("a b")),
            ("client:a%4", BasicForm::ClientSecret, None),
            ("100%:pat_x", BasicForm::ClientSecret, None),
            ("client:a%2B", BasicForm::Password, Some("a%2B")),
        ] {
            assert_eq!(read(pair, form).ok().as_deref(), expected, "{pair} {form:?}");
        }
    }

    #[test]
    fn only_canonical_base64_is_accepted() {
        for encoded in ["bWU6cGF0X3g", "bWU6cGF0X3g= ", "bWU6cGF0X3h=", "bWU_cGF0X3g=", "", "===="] {
            let token = token(encoded.as_bytes(), BasicForm::Password, |_| false);
            assert_eq!(token.map(|_| ()), Err(PresentedError::Malformed), "{encoded}");
        }
        assert!(token(b"bWU6cGF0X3g=", BasicForm::Password, |_| false).is_ok());
    }
}
