//! Reports of leaked tokens: by anyone who has one, and by GitHub's secret scanning.

mod received;

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, rt::time::sleep, web::Data};
use macro_rules_attribute::apply;
use tokenry_service::{LeakReport, LeakReporter, LeakVerdict, Tokenry};

use self::received::{Received, ReceivedFrom};
use super::endpoint;
use crate::{
    access::Public, blocking::blocking, body::Sequential, client_info::client_info, clock, error::ApiError,
    query::StrictQuery, wire,
};

/// The response to a report of n entries takes this long, and n times [`PER_ENTRY`].
const RESPONSE_TIME: Duration = Duration::from_millis(200);
/// Longer than the revocation of a token usually takes.
const PER_ENTRY: Duration = Duration::from_millis(3);

/// Reports leaked tokens, up to 1,000. Those whose secrets still work are revoked with the reason `leaked` when the response
/// is sent: possession is enough. The response never says which texts are tokens.
///
/// Reports of GitHub's secret scanning partner program have the same form and GitHub's signature over the body. Only their
/// response has feedback.
#[apply(endpoint)]
#[openapi(tag = "verification",
    params(
        ("Github-Public-Key-Identifier" = Option<String>, Header, description = "Of a report of GitHub: the key."),
        ("Github-Public-Key-Signature" = Option<String>, Header, description = "Of a report of GitHub: the signature in base64."),
    ),
    request_body = Vec<wire::LeakReport>, responses(
    (status = 202, description = "The tokens among the texts are revoked. The list is empty, or the feedback for GitHub.",
        body = Vec<wire::LeakFeedback>),
))]
pub(crate) async fn report_leaks(
    _: Public,
    report: Sequential<StrictQuery<()>, Received>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let Sequential(_, received) = report;
    match &received.from {
        ReceivedFrom::Holder => {
            // SECURITY: the time of the response depends on the number of entries and not on what they are.
            let entries = u32::try_from(received.reports.len()).unwrap_or(u32::MAX);
            let settled = sleep(RESPONSE_TIME.saturating_add(PER_ENTRY.saturating_mul(entries)));
            let (holder, reports) = (LeakReporter::Holder, &received.reports);
            let revoked = revoke(&req, &tokenry, reports, holder, holder).await;
            settled.await;
            revoked?;
            Ok(HttpResponse::Accepted().json(Vec::<wire::LeakFeedback>::new()))
        }
        ReceivedFrom::GitHub { kinds, is_repeated } => {
            // SECURITY: who repeats it may be anyone, and gets the slow hashes of anyone.
            let sender = if *is_repeated { LeakReporter::Holder } else { LeakReporter::GitHub };
            let verdicts = revoke(&req, &tokenry, &received.reports, sender, LeakReporter::GitHub).await?;
            let judged = received.reports.iter().zip(kinds).zip(verdicts);
            let feedback: Vec<wire::LeakFeedback> = judged
                .filter_map(|((report, kind), verdict)| wire::LeakFeedback::new(report, kind, verdict))
                .collect();
            Ok(HttpResponse::Accepted().json(feedback))
        }
    }
}

/// Revokes the tokens among the reports of `reporter`, which `sender` has sent. What was found before a failure is revoked
/// too.
async fn revoke(
    req: &HttpRequest,
    tokenry: &Data<Tokenry>,
    reports: &[LeakReport],
    sender: LeakReporter,
    reporter: LeakReporter,
) -> Result<Vec<LeakVerdict>, ApiError> {
    let (now, client, service) = (clock::now(), client_info(req), tokenry.clone());
    let leaks = tokenry.find_leaks(reports, sender, now).await;
    // SECURITY: the search takes a while, and a grace period may have ended meanwhile.
    let leaks =
        blocking(move || service.revoke_leaks(&leaks, reporter, clock::now(), &client).map(|_| leaks))
            .await?;
    let verdicts = leaks.verdicts().to_vec();
    match leaks.into_failure() {
        None => Ok(verdicts),
        Some(failure) => Err(failure.into()),
    }
}
