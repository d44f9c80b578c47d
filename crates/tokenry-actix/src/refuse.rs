//! What each refusal of the service is called in HTTP.

use tokenry_service::{
    Denial, FieldError as ServiceFieldError, FindError, IssueError, ListError, Rejection, RevokeError,
    StoreError, UpdateError, UserError, VerifyError,
};

use crate::{clock, error::ApiError, problem::FieldError};

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
            Rejection::Revoked => Self::RevokedToken,
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
            StoreError::Unavailable(cause) => Self::unavailable(cause, RETRY_AFTER),
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
            _ => Self::InvalidToken,
        }
    }
}

impl From<ServiceFieldError> for FieldError {
    fn from(error: ServiceFieldError) -> Self {
        Self::new(error.pointer, error.code, error.detail)
    }
}

fn invalid(errors: Vec<ServiceFieldError>) -> ApiError {
    ApiError::ValidationFailed(errors.into_iter().map(FieldError::from).collect())
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Denied(denial) => denial.into(),
            IssueError::Invalid(errors) => invalid(errors),
            IssueError::NoSuchUser => Self::NotFound,
            IssueError::OwnerDisabled => Self::UserDisabled,
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
            ListError::BadCursor => Self::field(
                "/cursor",
                "invalid_cursor",
                "Must be the next_cursor of a page of this very list.",
            ),
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
            UserError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}
