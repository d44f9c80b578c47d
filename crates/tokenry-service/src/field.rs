//! Validation errors of request fields.

/// One violated rule, so that a client can show it at the field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field in the request.
    pub pointer: String,
    /// The stable name of the rule.
    pub code: &'static str,
    /// The rule in words; never the rejected value.
    pub detail: String,
}

impl FieldError {
    /// A violated rule.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// Collects all violated rules of a request, so that a client receives them together.
#[derive(Default)]
pub(crate) struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Returns the value, or records the error and returns `None`.
    pub(crate) fn check<T, E: std::fmt::Display>(
        &mut self,
        pointer: &str,
        code: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.push(FieldError::new(pointer, code, error.to_string()));
                None
            }
        }
    }

    pub(crate) fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Fails with all recorded errors, if there are any.
    pub(crate) fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
