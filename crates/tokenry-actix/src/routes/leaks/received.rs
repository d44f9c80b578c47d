//! Receives a report of leaked tokens: limits, body and signature.

#[cfg(feature = "github")]
mod signed;

use std::pin::Pin;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    web::{Bytes, Data},
};
use tokenry_service::LeakReport;

#[cfg(feature = "github")]
use self::signed::signed;
use crate::{
    body, client_ip,
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
    failures::FailureLimit,
    leak_limits::{LeakLimit, MAX_BODY, ReportInProgress},
    wire,
};

const IDENTIFIER: &str = "github-public-key-identifier";
const SIGNATURE: &str = "github-public-key-signature";
/// Seconds after which a report that was not received may be repeated.
const RETRY: u64 = 5;

/// A report whose sender may report.
pub(crate) struct Received {
    pub(super) reports: Vec<LeakReport>,
    pub(super) from: ReceivedFrom,
    /// Counted until the response.
    _in_progress: ReportInProgress,
}

/// Who sent a report.
pub(crate) enum ReceivedFrom {
    /// Anyone.
    Holder,
    /// GitHub, with the names of the patterns that found the texts. Whoever has a report can repeat it.
    #[cfg_attr(not(feature = "github"), allow(dead_code, reason = "no signature can be verified"))]
    GitHub { kinds: Vec<String>, is_repeated: bool },
}

impl FromRequest for Received {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, mut payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let limit = req.app_data::<Data<LeakLimit>>();
            let in_progress = limit.and_then(|limit| limit.try_begin(client_ip::of(&req)));
            let Some(in_progress) = in_progress else {
                return Err(ApiError::Unavailable { retry_after_seconds: RETRY });
            };
            if [IDENTIFIER, SIGNATURE].iter().any(|name| req.headers().contains_key(*name)) {
                let (reports, from) = signed(&req, &mut payload).await?;
                return Ok(Self { reports, from, _in_progress: in_progress });
            }
            count(&req)?;
            let body = read(&req, &mut payload).await?;
            let reports = wire::LeakReport::all(&body)?;
            Ok(Self { reports, from: ReceivedFrom::Holder, _in_progress: in_progress })
        })
    }
}

impl DeclareErrors for Received {
    fn errors() -> Errors {
        Errors::default()
            .with(400, "The body is not one JSON value.")
            .with(403, "GitHub's signature is invalid, or its keys are not configured.")
            .with(408, "The body did not arrive in time.")
            .with(413, "The body is larger than 512 KiB.")
            .with(415, "The body has another type or an encoding.")
            .with(422, "There are more than 1,000 entries, or a field is unknown, missing or invalid.")
            .with(429, "Too many reports from this address.")
            .with(503, "Too many reports at once, or GitHub's keys are not known yet.")
    }
}

/// Counts a report that may be anyone's against its source.
fn count(req: &HttpRequest) -> Result<(), ApiError> {
    match req.app_data::<Data<FailureLimit>>() {
        Some(limit) => limit.count_leak_report(client_ip::of(req)),
        None => Ok(()),
    }
}

fn read(req: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    body::read_up_to(req, payload, "application/json", MAX_BODY)
}

#[cfg(not(feature = "github"))]
async fn signed(req: &HttpRequest, _: &mut Payload) -> Result<(Vec<LeakReport>, ReceivedFrom), ApiError> {
    Err(rejected(req, NOT_ACCEPTED))
}

const NOT_ACCEPTED: &str = "This server accepts no signed reports.";

/// Counts a report without a valid signature and returns its error.
fn rejected(req: &HttpRequest, detail: &'static str) -> ApiError {
    let forbidden = ApiError::Forbidden { detail: detail.into(), errors: Vec::new() };
    count(req).err().unwrap_or(forbidden)
}
