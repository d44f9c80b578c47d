//! Questions and decisions of the Authorization API 1.0 (OpenID AuthZEN) as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::VerdictUser;

/// Whether a token permits a request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The token.
    #[serde(default)]
    #[schema(required = true, nullable = false)]
    pub(crate) subject: Option<EvaluationSubject>,
    /// What the client does.
    #[serde(default)]
    #[schema(required = true, nullable = false)]
    pub(crate) action: Option<EvaluationAction>,
    /// With what the client does it.
    #[serde(default)]
    #[schema(required = true, nullable = false)]
    pub(crate) resource: Option<EvaluationResource>,
    /// `ip` is the address that presented the token, as text; without it, a token that is restricted to addresses is
    /// rejected. Other members are ignored.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({"ip": "192.0.2.7"}))]
    pub(crate) context: Option<Map<String, Value>>,
}

/// Many questions at once. `subject`, `action`, `resource` and `context` are the defaults of the entries of `evaluations`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluations {
    /// The token.
    #[serde(default)]
    pub(crate) subject: Option<EvaluationSubject>,
    /// What the client does.
    #[serde(default)]
    pub(crate) action: Option<EvaluationAction>,
    /// With what the client does it.
    #[serde(default)]
    pub(crate) resource: Option<EvaluationResource>,
    /// As in a single evaluation.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(crate) context: Option<Map<String, Value>>,
    /// The questions, at most 100. Without any, the request is a single evaluation.
    #[serde(default)]
    #[schema(value_type = Option<Vec<PartialEvaluation>>, max_items = 100)]
    pub(crate) evaluations: Option<Vec<PartialEvaluation>>,
    /// How they are answered.
    #[serde(default)]
    pub(crate) options: Option<EvaluationOptions>,
}

/// One of many questions. What is missing is taken from the request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartialEvaluation {
    /// The token.
    #[serde(default)]
    pub(crate) subject: Option<EvaluationSubject>,
    /// What the client does.
    #[serde(default)]
    pub(crate) action: Option<EvaluationAction>,
    /// With what the client does it.
    #[serde(default)]
    pub(crate) resource: Option<EvaluationResource>,
    /// As in a single evaluation.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(crate) context: Option<Map<String, Value>>,
}

/// The token of a question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSubject {
    /// Always `token`.
    #[serde(rename = "type")]
    #[schema(example = "token", pattern = "^token$")]
    pub(crate) kind: String,
    /// The token text that was presented to the calling service.
    pub(crate) id: String,
    /// Ignored.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[allow(dead_code, reason = "callers may send it")]
    properties: Option<Map<String, Value>>,
}

/// What the client does.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationAction {
    /// The level of the scope, such as `read`. For a resource of the type `route`, the method.
    #[schema(example = "read", max_length = 64)]
    pub(crate) name: String,
    /// Ignored.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[allow(dead_code, reason = "callers may send it")]
    properties: Option<Map<String, Value>>,
}

/// With what the client does it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationResource {
    /// The resource of the scope, such as `projects`. For `route`, the routes of the catalog decide.
    #[serde(rename = "type")]
    #[schema(example = "projects", max_length = 64)]
    pub(crate) kind: String,
    /// For a `route`, the path of the client's request. Otherwise ignored: scopes are not about single objects.
    #[schema(example = "42")]
    pub(crate) id: String,
    /// Ignored.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[allow(dead_code, reason = "callers may send it")]
    properties: Option<Map<String, Value>>,
}

/// How many questions are answered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationOptions {
    /// Where to stop; the answers end with the decision that stopped.
    #[serde(default)]
    pub(crate) evaluations_semantic: Option<EvaluationsSemantic>,
}

/// Where the answers to many questions stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationsSemantic {
    /// All questions are answered. The default.
    #[default]
    ExecuteAll,
    /// After the first question whose answer is no.
    DenyOnFirstDeny,
    /// After the first question whose answer is yes.
    PermitOnFirstPermit,
}

/// The answer to a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decision {
    /// Whether the token permits the request.
    pub(crate) decision: bool,
    /// Whose token it is, or why it does not permit the request.
    context: DecisionContext,
}

/// Whose token it is, or why it does not permit the request.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct DecisionContext {
    /// The error code, as in error responses of this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "expired_token", nullable = false)]
    code: Option<&'static str>,
    /// The required scopes that the token does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missing_scopes: Option<Vec<String>>,
    /// The id of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    token_id: Option<String>,
    /// The owner of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user: Option<VerdictUser>,
    /// What is wrong with this one of many questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<EvaluationError>,
}

/// What is wrong with a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvaluationError {
    /// The status that the question would have alone.
    #[schema(example = 400)]
    status: u16,
    /// A sentence about it.
    message: String,
}

/// The answers to many questions, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decisions {
    /// One for each question, unless `evaluations_semantic` stopped before.
    pub(crate) evaluations: Vec<Decision>,
}

/// The answers to many questions, or the only one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum DecisionOrDecisions {
    /// The request had no `evaluations`.
    One(Decision),
    /// The request had `evaluations`.
    Many(Decisions),
}

/// Where the endpoints of the Authorization API are (its section on metadata).
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthzenMetadata {
    /// The base URL of this server.
    #[schema(format = "uri", example = "https://tokens.example.com")]
    policy_decision_point: String,
    /// The URL for one question.
    #[schema(format = "uri")]
    access_evaluation_endpoint: String,
    /// The URL for many questions.
    #[schema(format = "uri")]
    access_evaluations_endpoint: String,
}

impl Decision {
    pub(crate) fn permit(token_id: String, user: VerdictUser) -> Self {
        let context =
            DecisionContext { token_id: Some(token_id), user: Some(user), ..DecisionContext::default() };
        Self { decision: true, context }
    }

    pub(crate) fn deny(code: &'static str) -> Self {
        Self { decision: false, context: DecisionContext { code: Some(code), ..DecisionContext::default() } }
    }

    pub(crate) fn missing(scopes: Vec<String>) -> Self {
        let mut denied = Self::deny("insufficient_scope");
        denied.context.missing_scopes = Some(scopes);
        denied
    }

    pub(crate) fn error(status: u16, message: String) -> Self {
        let error = Some(EvaluationError { status, message });
        Self { decision: false, context: DecisionContext { error, ..DecisionContext::default() } }
    }
}

impl AuthzenMetadata {
    pub(crate) fn new(base: String) -> Self {
        Self {
            access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
            access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
            policy_decision_point: base,
        }
    }
}
