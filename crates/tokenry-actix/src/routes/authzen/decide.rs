//! Answers questions about tokens.

use std::net::IpAddr;

use tokenry_service::{RouteDecision, ScopeSet, Tokenry, UnixMillis, VerifiedToken};

use super::question::{Question, Required};
use crate::{
    error::ApiError,
    routes::verify::{AskedRequest, missing_scopes, record_forbidden, verify},
    wire,
};

/// Answers the questions of one request, and verifies each token once.
pub(super) struct Decider<'t> {
    tokenry: &'t Tokenry,
    now: UnixMillis,
    verified: Vec<Verified<'t>>,
}

/// What became of a token that a client at an address presented.
struct Verified<'b> {
    token: &'b str,
    ip: Option<IpAddr>,
    result: Result<VerifiedToken, &'static str>,
}

impl<'t> Decider<'t> {
    pub(super) fn new(tokenry: &'t Tokenry, now: UnixMillis) -> Self {
        Self { tokenry, now, verified: Vec::new() }
    }

    /// The answer. An error is a failure of this server.
    pub(super) async fn decide(&mut self, question: &Question<'t>) -> Result<wire::Decision, ApiError> {
        let verified = match self.verify(question.token, question.ip).await? {
            Ok(verified) => verified,
            Err(code) => return Ok(wire::Decision::deny(code)),
        };
        let routes = self.tokenry.catalog().routes();
        let (required, route) = match &question.required {
            Required::Scopes(required) => (Some(required.clone()), question.resource),
            Required::Route(request) => {
                let required = match routes.decide(request.method, &request.path) {
                    RouteDecision::Requires(scope) => Some(ScopeSet::from_iter([scope])),
                    RouteDecision::Excluded | RouteDecision::Unmapped => None,
                };
                (required, routes.pattern(request.method, &request.path).unwrap_or_default())
            }
        };
        let request = AskedRequest { now: self.now, ip: question.ip, method: question.method, route };
        let Some(required) = required else {
            record_forbidden(self.tokenry, &verified, &request, "forbidden");
            return Ok(wire::Decision::deny("forbidden"));
        };
        let missing = missing_scopes(self.tokenry, &verified, &required, &request);
        if !missing.is_empty() {
            return Ok(wire::Decision::missing(missing.to_texts()));
        }
        let user = wire::VerdictUser::new(verified.owner());
        Ok(wire::Decision::permit(verified.token().id.to_string(), user))
    }

    async fn verify(
        &mut self,
        token: &'t str,
        ip: Option<IpAddr>,
    ) -> Result<Result<VerifiedToken, &'static str>, ApiError> {
        if let Some(known) = self.verified.iter().find(|known| known.token == token && known.ip == ip) {
            return Ok(known.result.clone());
        }
        let result = verify(self.tokenry, token, self.now, ip).await?.map_err(|error| error.code());
        self.verified.push(Verified { token, ip, result: result.clone() });
        Ok(result)
    }
}
