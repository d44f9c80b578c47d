//! The errors that the arguments of a handler respond with, for the OpenAPI document.

use actix_web::{Handler, HttpRequest, web::Data};
use tokenry_service::Tokenry;

/// An argument of a handler, with the errors of its extraction and of its use.
///
/// Every argument declares its own errors, so that the document has those of each route without repeating them.
pub(crate) trait DeclareErrors {
    fn errors() -> Errors;
}

/// Error statuses, each with a sentence that says when it occurs. A status may occur more than once.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<(u16, &'static str)>);

impl Errors {
    /// These errors and one more.
    #[must_use]
    pub(crate) fn with(mut self, status: u16, sentence: &'static str) -> Self {
        if !self.0.contains(&(status, sentence)) {
            self.0.push((status, sentence));
        }
        self
    }

    /// These errors and others.
    #[must_use]
    pub(crate) fn and(self, others: Self) -> Self {
        others.into_iter().fold(self, |errors, (status, sentence)| errors.with(status, sentence))
    }
}

impl IntoIterator for Errors {
    type Item = (u16, &'static str);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The errors of all arguments of a handler.
pub(crate) fn errors_of<F: Handler<Args>, Args: DeclareErrors>(_: &F) -> Errors {
    Args::errors()
}

macro_rules! arguments {
    ($($argument:ident)*) => {
        impl<$($argument: DeclareErrors),*> DeclareErrors for ($($argument,)*) {
            fn errors() -> Errors {
                Errors::default()$(.and($argument::errors()))*
            }
        }
    };
}

arguments!(A);
arguments!(A B);
arguments!(A B C);
arguments!(A B C D);
arguments!(A B C D E);

impl DeclareErrors for HttpRequest {
    fn errors() -> Errors {
        Errors::default()
    }
}

/// The service needs its database.
impl DeclareErrors for Data<Tokenry> {
    fn errors() -> Errors {
        Errors::default()
            .with(500, "The server failed; its log has the cause.")
            .with(503, "The service is temporarily unavailable.")
    }
}
