//! One question: a token, and what a client would do with it.

use std::net::IpAddr;

use serde_json::{Map, Value};
use tokenry_service::{Scope, ScopeSet};

use super::super::forward::Forwarded;
use crate::{
    error::{ApiError, Problem},
    wire,
};

/// A token, and what a client would do with it.
pub(super) struct Question<'b> {
    pub(super) token: &'b str,
    pub(super) ip: Option<IpAddr>,
    pub(super) required: Required,
    pub(super) method: &'b str,
    pub(super) resource: &'b str,
}

/// What the token needs.
pub(super) enum Required {
    /// These scopes.
    Scopes(ScopeSet),
    /// What the routes of the catalog say about this request.
    Route(Forwarded),
}

impl<'b> Question<'b> {
    pub(super) fn of(body: &'b wire::Evaluation) -> Result<Self, ApiError> {
        let wire::Evaluation { subject, action, resource, context } = body;
        Self::new(subject.as_ref(), action.as_ref(), resource.as_ref(), context.as_ref())
    }

    /// The question of a request without `evaluations`.
    pub(super) fn of_request(body: &'b wire::Evaluations) -> Result<Self, ApiError> {
        let wire::Evaluations { subject, action, resource, context, .. } = body;
        Self::new(subject.as_ref(), action.as_ref(), resource.as_ref(), context.as_ref())
    }

    /// One of many questions; each part replaces that of the request as a whole.
    pub(super) fn with_defaults(
        evaluation: &'b wire::PartialEvaluation,
        body: &'b wire::Evaluations,
    ) -> Result<Self, ApiError> {
        Self::new(
            evaluation.subject.as_ref().or(body.subject.as_ref()),
            evaluation.action.as_ref().or(body.action.as_ref()),
            evaluation.resource.as_ref().or(body.resource.as_ref()),
            evaluation.context.as_ref().or(body.context.as_ref()),
        )
    }

    fn new(
        subject: Option<&'b wire::EvaluationSubject>,
        action: Option<&'b wire::EvaluationAction>,
        resource: Option<&'b wire::EvaluationResource>,
        context: Option<&'b Map<String, Value>>,
    ) -> Result<Self, ApiError> {
        let subject = subject.ok_or_else(|| invalid("subject: is missing."))?;
        let action = action.ok_or_else(|| invalid("action: is missing."))?;
        let resource = resource.ok_or_else(|| invalid("resource: is missing."))?;
        if subject.kind != "token" {
            return Err(invalid("subject.type: must be token."));
        }
        let ip = context.and_then(|context| context.get("ip")).map(address).transpose()?;
        let (method, kind) = (action.name.as_str(), resource.kind.as_str());
        let required = if kind == "route" {
            Required::Route(Forwarded::new(method.as_bytes(), resource.id.as_bytes())?)
        } else {
            let scope: Scope = format!("{kind}:{method}").parse().map_err(|_| {
                invalid("resource.type and action.name: must be resource and level of a scope.")
            })?;
            Required::Scopes(ScopeSet::from_iter([scope]))
        };
        Ok(Self { token: &subject.id, ip, required, method, resource: kind })
    }
}

/// The answer to one of many questions that is invalid.
pub(super) fn refused(error: &ApiError) -> wire::Decision {
    let problem = Problem::from(error);
    wire::Decision::error(problem.status().as_u16(), problem.detail().to_owned())
}

fn address(value: &Value) -> Result<IpAddr, ApiError> {
    let address = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    address.map(|ip| ip.to_canonical()).ok_or_else(|| invalid("context.ip: must be an IP address."))
}

fn invalid(detail: &'static str) -> ApiError {
    ApiError::InvalidRequest { detail: detail.into() }
}
