//! Maps errors of the service to errors of commands, with the codes of the HTTP API.

use tokenry_service::{
    AuditError, CleanupError, Denial, FieldError, IssueError, OpenError, ReadError, RevokeError, RotateError,
    StoreError, UpdateError, UserError,
};

use crate::output::CliError;

/// The code of a database that an operator has to change first.
pub(super) const UNUSABLE: &str = "database_unusable";

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Unavailable(_) => {
                Self::failed("service_unavailable", text).status(503).next("check database_url and try again")
            }
            // The text says what to do.
            StoreError::Unusable(_) => Self::failed(UNUSABLE, text).status(503),
            _ => internal(text),
        }
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::Hash(error) => Self::usage(format!("configuration: [token]: {error}")),
            OpenError::WrongPepper => Self::usage(format!("configuration: [token] pepper_files: {error}")),
            error => internal(error.to_string()),
        }
    }
}

impl From<Denial> for CliError {
    fn from(denial: Denial) -> Self {
        Self::forbidden(denial.to_string())
    }
}

impl From<IssueError> for CliError {
    fn from(error: IssueError) -> Self {
        let text = error.to_string();
        match error {
            IssueError::Denied(denial) => denial.into(),
            IssueError::Invalid(fields) => invalid(&fields),
            IssueError::NoSuchUser => Self::not_found(text).next("add the user with `tokenry user add`"),
            IssueError::OwnerDisabled => conflict(text).next("see `tokenry user enable`"),
            IssueError::TokenLimitReached { .. } => {
                Self::failed("token_limit_reached", text).status(409).next("revoke one first")
            }
            IssueError::CreationRateReached { resets_at, .. } => {
                Self::failed("rate_limited", text).status(429).next(format!("try again at {resets_at}"))
            }
            IssueError::Store(error) => error.into(),
            _ => internal(text),
        }
    }
}

impl From<UpdateError> for CliError {
    fn from(error: UpdateError) -> Self {
        let text = error.to_string();
        match error {
            UpdateError::Denied(denial) => denial.into(),
            UpdateError::Invalid(fields) => invalid(&fields),
            UpdateError::NotFound => no_token(text),
            UpdateError::Revoked | UpdateError::Expired => conflict(text).next("create another"),
            UpdateError::VersionMismatch { .. } => conflict(text),
            UpdateError::Store(error) => error.into(),
            _ => internal(text),
        }
    }
}

impl From<RotateError> for CliError {
    fn from(error: RotateError) -> Self {
        let text = error.to_string();
        match error {
            RotateError::Denied(denial) => denial.into(),
            RotateError::Invalid(fields) => invalid(&fields),
            RotateError::NotFound => no_token(text),
            RotateError::OwnerDisabled => conflict(text).next("see `tokenry user enable`"),
            RotateError::Revoked | RotateError::Expired => conflict(text).next("create another"),
            RotateError::VersionMismatch { .. } => conflict(text),
            RotateError::Rotated => conflict(text).next("the secret of that rotation is the one that works"),
            RotateError::Delivered => conflict(text).next("if it was lost, rotate with another key"),
            RotateError::Store(error) => error.into(),
            _ => internal(text),
        }
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Denied(denial) => denial.into(),
            ReadError::NotFound => no_token(error.to_string()),
            ReadError::Store(error) => error.into(),
            error => internal(error.to_string()),
        }
    }
}

impl From<RevokeError> for CliError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Denied(denial) => denial.into(),
            RevokeError::NotFound => no_token(error.to_string()),
            RevokeError::Store(error) => error.into(),
            error => internal(error.to_string()),
        }
    }
}

impl From<UserError> for CliError {
    fn from(error: UserError) -> Self {
        let text = error.to_string();
        match error {
            UserError::Denied(denial) => denial.into(),
            UserError::NotFound => Self::not_found(text).next("`tokenry user list` shows all users"),
            UserError::SubjectTaken => conflict(text),
            UserError::Subject(_) | UserError::Name(_) | UserError::NoSuchRole { .. } => Self::usage(text),
            UserError::Store(error) => error.into(),
            _ => internal(text),
        }
    }
}

impl From<AuditError> for CliError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Denied(denial) => denial.into(),
            AuditError::Store(error) => error.into(),
            error => internal(error.to_string()),
        }
    }
}

impl From<CleanupError> for CliError {
    fn from(error: CleanupError) -> Self {
        match error {
            CleanupError::Denied(denial) => denial.into(),
            CleanupError::Store(error) => error.into(),
            CleanupError::Clock(fault) => Self::failed(
                "clock_unconfirmed",
                format!("{fault}; nothing was cleaned up"),
            )
            .next(
                "compare `date -u` with another clock; if it is right, run `tokenry cleanup --accept-clock`",
            ),
            error => internal(error.to_string()),
        }
    }
}

/// The fields of the service carry the names of the options.
fn invalid(fields: &[FieldError]) -> CliError {
    CliError::invalid(fields.iter().map(option_error).collect())
}

fn option_error(field: &FieldError) -> String {
    let name = field.pointer.split('/').nth(1).unwrap_or_default();
    let option = match name {
        "scopes" => "scope".to_owned(),
        "allowed_ips" => "allow-ip".to_owned(),
        "expires_at" => "expires".to_owned(),
        name => name.replace('_', "-"),
    };
    format!("--{option}: {}", field.detail)
}

fn conflict(text: String) -> CliError {
    CliError::failed("conflict", text).status(409)
}

fn no_token(text: String) -> CliError {
    CliError::not_found(text).next("`tokenry token list` shows all tokens")
}

fn internal(text: String) -> CliError {
    CliError::failed("internal_error", text).status(500)
}
