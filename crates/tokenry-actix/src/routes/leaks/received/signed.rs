//! Reports that GitHub signs.

use std::time::Duration;

use actix_web::{HttpRequest, dev::Payload, http::header::HeaderMap, rt::time::timeout, web::Data};
use tokenry_service::{GithubReports, KeyRefreshStatus, LeakReport};

use super::{IDENTIFIER, NOT_ACCEPTED, RETRY, ReceivedFrom, SIGNATURE, count, read, rejected};
use crate::{error::ApiError, wire};

/// How long a report waits for a key that is being fetched.
const KEY_WAIT: Duration = Duration::from_secs(3);

const INVALID: &str = "The signature of GitHub is missing or invalid.";

/// The entries that GitHub has signed, the names of their patterns, and whether the report is a repetition.
///
/// SECURITY: a report with only one of the headers, or with a signature that is not valid, is rejected, and not read as
/// one of an anonymous reporter. A report with a valid signature is counted by its source only if it is a repeated one; one
/// without is always.
pub(super) async fn signed(
    req: &HttpRequest,
    payload: &mut Payload,
) -> Result<(Vec<LeakReport>, ReceivedFrom), ApiError> {
    let Some(github) = req.app_data::<Data<GithubReports>>() else {
        return Err(rejected(req, NOT_ACCEPTED));
    };
    let (Some(identifier), Some(signature)) =
        (only(req.headers(), IDENTIFIER), only(req.headers(), SIGNATURE))
    else {
        return Err(rejected(req, INVALID));
    };
    if let Some(KeyRefreshStatus::Pending(arrival)) = github.request_key(identifier) {
        // The keys are looked up afterwards, whether they came or not.
        let _ = timeout(KEY_WAIT, arrival).await;
    }
    if !github.has_key(identifier) {
        // Only a recent fetch proves that GitHub has no such key.
        return Err(match github.request_key(identifier) {
            None | Some(KeyRefreshStatus::Current) => rejected(req, INVALID),
            Some(_) => count(req).err().unwrap_or(ApiError::Unavailable { retry_after_seconds: RETRY }),
        });
    }
    // SECURITY: a body that cannot be read may be anyone's.
    let body = read(req, payload).await.map_err(|error| count(req).err().unwrap_or(error))?;
    if !github.is_signed(identifier, signature, &body) {
        return Err(rejected(req, INVALID));
    }
    // SECURITY: a signature has no time, so whoever has one report can repeat it. Then it counts as one of anyone.
    let is_repeated = github.is_repeated(&body);
    if is_repeated {
        count(req)?;
    }
    let (reports, kinds) = wire::SignedLeakReport::all(&body)?;
    Ok((reports, ReceivedFrom::GitHub { kinds, is_repeated }))
}

/// The value of a header that is sent once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}
