//! What each refusal of the service is called in HTTP.

use tokenry_service::{
    AuditError, CleanupError, Denial, FieldError as ServiceFieldError, FindError, IssueError, ListError,
    Rejection, RevokeError, RotateError, SessionError, StoreError, SummaryError, TokenEventsError,
    UpdateError, UserError, VerifyError,
};

use super::{ApiError, FieldProblem};
use crate::clock;

/// Seconds after which a client may try again when the database did not answer.
const RETRY_AFTER: u64 = 2;

impl From<VerifyError> for ApiError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Rejected(rejection) => rejection.into(),
            VerifyError::Store(error) => error.into(),
            error => Self::unavailable(error, 1),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Revoked | Rejection::Rotated(_) => Self::RevokedToken,
            Rejection::Inactive | Rejection::Pending => Self::InactiveToken,
            Rejection::Expired => Self::ExpiredToken,
            Rejection::OwnerDisabled => Self::UserDisabled,
            Rejection::AddressNotAllowed => Self::IpNotAllowed,
            // SECURITY: a wrong form, an unknown id, a wrong secret, and whatever is added later: one answer.
            _ => Self::InvalidToken,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) | StoreError::Unusable(cause) => {
                Self::unavailable(cause, RETRY_AFTER)
            }
            error => Self::internal(error),
        }
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::MissingScopes(scopes) => Self::InsufficientScope { missing: scopes.to_string() },
            Denial::Beyond(field) => Self::Forbidden {
                detail: "The request goes beyond what this credential may do; see errors.".into(),
                errors: vec![field.into()],
            },
            Denial::Retired => Self::Forbidden {
                detail:
                    "The secret was rotated and works for use only until its grace ends; take the new one."
                        .into(),
                errors: Vec::new(),
            },
            // The credential is not wrong: what it may do changed while the request was under way.
            _ => Self::Forbidden {
                detail: "What this credential may do was changed while the request was under way.".into(),
                errors: Vec::new(),
            },
        }
    }
}

impl From<ServiceFieldError> for FieldProblem {
    fn from(error: ServiceFieldError) -> Self {
        Self::new(error.pointer, error.code, error.detail)
    }
}

fn invalid(errors: Vec<ServiceFieldError>) -> ApiError {
    ApiError::ValidationFailed(errors.into_iter().map(FieldProblem::from).collect())
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Denied(denial) => denial.into(),
            IssueError::Invalid(errors) => invalid(errors),
            IssueError::NoSuchUser => Self::NotFound,
            IssueError::OwnerDisabled => Self::UserDisabled,
            IssueError::RevokedMeanwhile => Self::Conflict {
                detail: "All tokens of this user were revoked while this one was being made; ask again."
                    .into(),
            },
            IssueError::TokenLimitReached { limit } => Self::TokenLimitReached {
                detail: format!("There are {limit} live tokens already, the most allowed; revoke one first.")
                    .into(),
            },
            IssueError::CreationRateReached { limit, resets_at } => Self::RateLimited {
                policy: "creations",
                quota: limit.into(),
                window_seconds: 3600,
                retry_after_seconds: resets_at.since(clock::now()).as_secs() + 1,
                detail: format!("At most {limit} tokens can be created within an hour.").into(),
            },
            IssueError::Store(error) => error.into(),
            IssueError::Busy => Self::unavailable(IssueError::Busy, 1),
            error => Self::internal(error),
        }
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Denied(denial) => denial.into(),
            FindError::NotFound => Self::NotFound,
            FindError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Denied(denial) => denial.into(),
            ListError::BadCursor => bad_cursor(),
            ListError::NoSuchUser => Self::field("/user_id", "unknown_user", "There is no such user."),
            ListError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Denied(denial) => denial.into(),
            UpdateError::Invalid(errors) => invalid(errors),
            UpdateError::NotFound => Self::NotFound,
            UpdateError::Revoked => {
                Self::Conflict { detail: "The token is revoked and stays as it is.".into() }
            }
            UpdateError::Expired => {
                Self::Conflict { detail: "The token has expired and cannot be given more time.".into() }
            }
            UpdateError::VersionMismatch { version } => Self::Conflict {
                detail: format!("The token was changed meanwhile; its version is {version}.").into(),
            },
            UpdateError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<RevokeError> for ApiError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Denied(denial) => denial.into(),
            RevokeError::NotFound => Self::NotFound,
            RevokeError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Denied(denial) => denial.into(),
            UserError::NotFound => Self::NotFound,
            UserError::Subject(error) => Self::field("/subject", "invalid_subject", error.to_string()),
            UserError::Name(error) => Self::field("/name", "invalid_name", error.to_string()),
            UserError::NoSuchRole { known, .. } => {
                Self::field("/role", "unknown_role", format!("Must be one of: {known}."))
            }
            UserError::SubjectTaken => {
                Self::Conflict { detail: "There is a user with this subject already.".into() }
            }
            UserError::BadCursor => bad_cursor(),
            UserError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<RotateError> for ApiError {
    fn from(error: RotateError) -> Self {
        let conflict = |detail: &'static str| Self::Conflict { detail: detail.into() };
        match error {
            RotateError::Denied(denial) => denial.into(),
            RotateError::Invalid(errors) => invalid(errors),
            RotateError::NotFound => Self::NotFound,
            RotateError::OwnerDisabled => Self::UserDisabled,
            RotateError::Revoked => conflict("The token is revoked and stays as it is."),
            RotateError::Expired => conflict("The token has expired and cannot be rotated."),
            RotateError::VersionMismatch { version } => Self::Conflict {
                detail: format!("The token was changed meanwhile; its version is {version}.").into(),
            },
            RotateError::Rotated => conflict(
                "The token was rotated at the same moment; the secret of that rotation is the one that works.",
            ),
            RotateError::Delivered => {
                conflict("This rotation was done already and its secret delivered; it cannot be shown again.")
            }
            RotateError::Store(error) => error.into(),
            RotateError::Busy => Self::unavailable(RotateError::Busy, 1),
            error => Self::internal(error),
        }
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Denied(denial) => denial.into(),
            SessionError::NoCredential => Self::Forbidden {
                detail: "A session begins with a token, a JWT or the word of a trusted proxy.".into(),
                errors: Vec::new(),
            },
            SessionError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Denied(denial) => denial.into(),
            AuditError::BadCursor => bad_cursor(),
            AuditError::Busy => Self::unavailable(AuditError::Busy, 1),
            AuditError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<TokenEventsError> for ApiError {
    fn from(error: TokenEventsError) -> Self {
        match error {
            TokenEventsError::Denied(denial) => denial.into(),
            TokenEventsError::NotFound => Self::NotFound,
            TokenEventsError::BadCursor => bad_cursor(),
            TokenEventsError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<SummaryError> for ApiError {
    fn from(error: SummaryError) -> Self {
        match error {
            SummaryError::Denied(denial) => denial.into(),
            SummaryError::NotFound => Self::NotFound,
            SummaryError::TooLong => {
                Self::field("/from", "span_too_long", "Must be at most 90 days before the end.")
            }
            SummaryError::Busy => Self::unavailable(SummaryError::Busy, 1),
            SummaryError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<CleanupError> for ApiError {
    fn from(error: CleanupError) -> Self {
        match error {
            CleanupError::Denied(denial) => denial.into(),
            CleanupError::Store(error) => error.into(),
            CleanupError::Clock(_) => Self::unavailable("the clock of this server may be far ahead", 60),
            error => Self::internal(error),
        }
    }
}

fn bad_cursor() -> ApiError {
    ApiError::field("/cursor", "invalid_cursor", "Must be the next_cursor of a page of this very list.")
}
