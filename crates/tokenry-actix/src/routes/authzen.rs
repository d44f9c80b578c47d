//! The Authorization API 1.0 (OpenID AuthZEN): another service asks whether a token permits a request.
//!
//! The subject is the token. The type of the resource and the name of the action are the scope that is required, such as
//! `projects` and `read`; for the type `route`, the routes of the catalog decide by the method and the path.

mod body;
mod decide;
mod question;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use macro_rules_attribute::apply;
use tokenry_service::Tokenry;

use self::{body::EvaluationBody, decide::Decider, question::Question};
use super::{discovery::base_url, endpoint};
use crate::{
    access::Public, api_caller::Introspector, body::Sequential, error::ApiError, query::StrictQuery, wire,
};

/// The path of the metadata.
const METADATA: &str = "/.well-known/authzen-configuration";
/// The most questions in a request.
const MAX_EVALUATIONS: usize = 100;

/// Whether a token permits a request (AuthZEN, access evaluation). The caller's own token needs `introspect`.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body = wire::Evaluation, responses(
    (status = 200, body = wire::Decision),
))]
pub(crate) async fn evaluate_access(
    Sequential(Introspector(caller), Sequential(_, EvaluationBody(body))): Sequential<
        Introspector,
        Sequential<StrictQuery<()>, EvaluationBody<wire::Evaluation>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Decision>, ApiError> {
    let question = Question::of(&body)?;
    Decider::new(&tokenry, caller.now()).decide(&question).await.map(Json)
}

/// Whether tokens permit many requests (AuthZEN, access evaluations). The caller's own token needs `introspect`.
///
/// A question that is invalid gets the answer no, with `context.error`.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body = wire::Evaluations, responses(
    (status = 200, body = wire::DecisionOrDecisions, description = "The answers, or the only one."),
))]
pub(crate) async fn evaluate_accesses(
    Sequential(Introspector(caller), Sequential(_, EvaluationBody(body))): Sequential<
        Introspector,
        Sequential<StrictQuery<()>, EvaluationBody<wire::Evaluations>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::DecisionOrDecisions>, ApiError> {
    let mut decider = Decider::new(&tokenry, caller.now());
    let evaluations = body.evaluations.as_deref().unwrap_or_default();
    if evaluations.is_empty() {
        let question = Question::of_request(&body)?;
        return Ok(Json(wire::DecisionOrDecisions::One(decider.decide(&question).await?)));
    }
    if evaluations.len() > MAX_EVALUATIONS {
        let detail = format!("A request has at most {MAX_EVALUATIONS} evaluations.");
        return Err(ApiError::InvalidRequest { detail: detail.into() });
    }
    let semantic = body.options.as_ref().and_then(|options| options.evaluations_semantic);
    let stops_at = match semantic.unwrap_or_default() {
        wire::EvaluationsSemantic::ExecuteAll => None,
        wire::EvaluationsSemantic::DenyOnFirstDeny => Some(false),
        wire::EvaluationsSemantic::PermitOnFirstPermit => Some(true),
    };
    let mut decisions = Vec::with_capacity(evaluations.len());
    for evaluation in evaluations {
        let decision = match Question::with_defaults(evaluation, &body) {
            Ok(question) => decider.decide(&question).await?,
            Err(error) => question::refused(&error),
        };
        let is_last = stops_at == Some(decision.decision);
        decisions.push(decision);
        if is_last {
            break;
        }
    }
    Ok(Json(wire::DecisionOrDecisions::Many(wire::Decisions { evaluations: decisions })))
}

/// Where the endpoints of the Authorization API are.
#[apply(endpoint)]
#[openapi(tag = "verification", responses(
    (status = 200, body = wire::AuthzenMetadata),
    (status = 403, description = "The Host header has no valid host, or a proxy sent the request that is not trusted or does not set X-Forwarded-Proto."),
    (status = 404, description = "The path is spelled in another way."),
))]
pub(crate) async fn show_authzen_metadata(
    _: Public,
    _: StrictQuery<()>,
    req: HttpRequest,
) -> Result<Json<wire::AuthzenMetadata>, ApiError> {
    Ok(Json(wire::AuthzenMetadata::new(base_url(&req, METADATA)?)))
}
