//! The HTTP error for each error of the service.

use tokenry_service::{
    AuditError, CleanupError, CredentialError, Denial, FieldError as ServiceFieldError, IssueError,
    ReadError, Rejection, RevokeError, RotateError, SessionError, StoreError, SummaryError, UpdateError,
    UserError, VerifyError,
};

use super::{ApiError, FieldProblem};
use crate::clock;

/// `Retry-After` in seconds when the database does not respond.
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
        CredentialError::from(rejection).into()
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
            Denial::MissingScopes(scopes) => CredentialError::InsufficientScope(scopes).into(),
            Denial::Beyond(field) => Self::Forbidden {
                detail: "The request exceeds what this credential may grant; see errors.".into(),
                errors: vec![field.into()],
            },
            Denial::Retired => Self::Forbidden {
                detail:
                    "The secret was rotated and can only be used, not manage tokens, until its grace period ends; use the new secret."
                        .into(),
                errors: Vec::new(),
            },
            // The credential is valid, but its permissions changed while the request was processed.
            _ => Self::Forbidden {
                detail: "The permissions of this credential changed while the request was processed.".into(),
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
            IssueError::OwnerDisabled => CredentialError::UserDisabled.into(),
            IssueError::RevokedMeanwhile => Self::Conflict {
                detail: "All tokens of this user were revoked while this one was being created; try again."
                    .into(),
            },
            IssueError::TokenLimitReached { limit } => Self::TokenLimitReached {
                detail: format!("There are already {limit} live tokens, the maximum; revoke one first.")
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

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Denied(denial) => denial.into(),
            ReadError::NotFound => Self::NotFound,
            ReadError::NoSuchUser => Self::field("/user_id", "unknown_user", "This user does not exist."),
            ReadError::BadCursor => bad_cursor(),
            ReadError::Store(error) => error.into(),
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
                Self::Conflict { detail: "The token is revoked and cannot be changed.".into() }
            }
            UpdateError::Expired => {
                Self::Conflict { detail: "The token has expired and cannot be extended.".into() }
            }
            UpdateError::VersionMismatch { version } => Self::Conflict {
                detail: format!("The token was changed by another request; its version is {version}.").into(),
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
                Self::Conflict { detail: "A user with this subject already exists.".into() }
            }
            UserError::BadCursor => bad_cursor(),
            UserError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

impl From<RotateError> for ApiError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Denied(denial) => denial.into(),
            RotateError::Invalid(errors) => invalid(errors),
            RotateError::NotFound => Self::NotFound,
            RotateError::OwnerDisabled => CredentialError::UserDisabled.into(),
            RotateError::Revoked => conflict("The token is revoked and cannot be changed."),
            RotateError::Expired => conflict("The token has expired and cannot be rotated."),
            RotateError::VersionMismatch { version } => Self::Conflict {
                detail: format!("The token was changed by another request; its version is {version}.").into(),
            },
            RotateError::Rotated => conflict(
                "The token was rotated by another request at the same time; the secret of that rotation is the valid one.",
            ),
            RotateError::Delivered => conflict(
                "This rotation is already complete and its secret was delivered; it cannot be shown again.",
            ),
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
                detail: "A session can only be started with a token, a JWT or the identity asserted by a trusted proxy.".into(),
                errors: Vec::new(),
            },
            SessionError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

#[cfg(feature = "jwt")]
impl From<tokenry_service::BeginError> for ApiError {
    fn from(error: tokenry_service::BeginError) -> Self {
        use tokenry_service::BeginError;
        match error {
            BeginError::UnknownProvider => Self::NotFound,
            BeginError::Provider(error) => Self::unavailable(error, 5),
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

fn conflict(detail: &'static str) -> ApiError {
    ApiError::Conflict { detail: detail.into() }
}

fn bad_cursor() -> ApiError {
    ApiError::field("/cursor", "invalid_cursor", "Must be the next_cursor of a page of the same list.")
}
