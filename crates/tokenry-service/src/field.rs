//! What is wrong with one field of a request.

/// One broken rule, named so that a client can show it at the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field in the request.
    pub pointer: String,
    /// A stable name of the rule.
    pub code: &'static str,
    /// The rule in words; never the refused value.
    pub detail: String,
}

impl FieldError {
    /// A broken rule.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// Collects all broken rules of a request, so that a client hears of them at once.
#[derive(Default)]
pub(crate) struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Keeps the error and goes on, or hands over the value.
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

    /// All that was collected, unless it is nothing.
    pub(crate) fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
