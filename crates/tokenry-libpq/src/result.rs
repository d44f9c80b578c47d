//! Results of statements, and errors.

use std::{
    ffi::{CStr, c_char, c_int},
    io,
    ptr::NonNull,
};

use pq_sys::{
    ExecStatusType, PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_SQLSTATE, PGresult, PQclear, PQgetisnull, PQgetlength,
    PQgetvalue, PQnfields, PQntuples, PQresultErrorField, PQresultErrorMessage, PQresultStatus,
};
use thiserror::Error;

/// The texts of one row; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// Why a call failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The server rejected the statement, or it or the connection to it is lost.
    #[error("{message}")]
    Server {
        /// The code of the server's error; `None` for an error of libpq.
        sqlstate: Option<String>,
        /// The message.
        message: String,
    },
    /// A text contains a zero byte, which PostgreSQL cannot store.
    #[error("a text contains a zero byte")]
    Nul,
    /// More parameters than libpq can pass.
    #[error("too many parameters")]
    TooMany,
    /// A text of a result is not UTF-8; the connection must have the client encoding UTF8.
    #[error("a text of the server is not UTF-8")]
    NotUtf8,
    /// The statement is not supported, such as `COPY`.
    #[error("the statement has no result of rows")]
    Unsupported,
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// The system cannot wait for the socket.
    #[error("cannot wait for the server: {0}")]
    Wait(io::Error),
    /// libpq has no memory.
    #[error("out of memory")]
    OutOfMemory,
}

impl Error {
    /// The code of the server's error, five letters and digits.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server { sqlstate, .. } => sqlstate.as_deref(),
            _ => None,
        }
    }
}

/// A result of libpq, freed with this value.
pub(crate) struct Answer(NonNull<PGresult>);

impl Answer {
    /// # Safety
    /// `result` is NULL, or was returned by libpq and is freed by nobody else.
    pub(crate) unsafe fn take(result: *mut PGresult) -> Option<Self> {
        NonNull::new(result).map(Self)
    }

    /// The same result if it is a success.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        // SAFETY: the result lives as long as this value.
        match unsafe { PQresultStatus(self.0.as_ptr()) } {
            ExecStatusType::PGRES_COMMAND_OK
            | ExecStatusType::PGRES_TUPLES_OK
            | ExecStatusType::PGRES_EMPTY_QUERY => Ok(self),
            ExecStatusType::PGRES_FATAL_ERROR
            | ExecStatusType::PGRES_NONFATAL_ERROR
            | ExecStatusType::PGRES_BAD_RESPONSE => Err(self.error()),
            _ => Err(Error::Unsupported),
        }
    }

    pub(crate) fn rows(&self) -> Result<Vec<Row>, Error> {
        // SAFETY: the result lives as long as this value.
        let rows = unsafe { PQntuples(self.0.as_ptr()) };
        // SAFETY: the same.
        let columns = unsafe { PQnfields(self.0.as_ptr()) };
        (0..rows).map(|row| (0..columns).map(|column| self.value(row, column)).collect()).collect()
    }

    /// A value; `row` and `column` are below the numbers of rows and columns.
    fn value(&self, row: c_int, column: c_int) -> Result<Option<String>, Error> {
        // SAFETY: the result lives as long as this value. libpq checks both numbers.
        if unsafe { PQgetisnull(self.0.as_ptr(), row, column) } != 0 {
            return Ok(None);
        }
        // SAFETY: the same.
        let length = unsafe { PQgetlength(self.0.as_ptr(), row, column) };
        // SAFETY: the same.
        let value = unsafe { PQgetvalue(self.0.as_ptr(), row, column) };
        let length = usize::try_from(length).unwrap_or(0);
        // SAFETY: libpq returned the address of a value of this length, which lives as long as the result.
        let bytes = unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) };
        std::str::from_utf8(bytes).map(|text| Some(text.to_owned())).map_err(|_| Error::NotUtf8)
    }

    fn error(&self) -> Error {
        // SAFETY: the result lives as long as this value.
        let field = |code| unsafe { error_field(self.0.as_ptr(), code) };
        let message = field(PG_DIAG_MESSAGE_PRIMARY).unwrap_or_else(|| {
            // SAFETY: the same.
            let message = unsafe { PQresultErrorMessage(self.0.as_ptr()) };
            // SAFETY: the text ends with a zero and lives as long as the result.
            unsafe { text(message) }.trim_end().to_owned()
        });
        Error::Server { sqlstate: field(PG_DIAG_SQLSTATE), message }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: nobody uses the result afterwards.
        unsafe { PQclear(self.0.as_ptr()) };
    }
}

/// A field of an error or a notice.
///
/// # Safety
/// `result` is a result of libpq that is not freed.
pub(crate) unsafe fn error_field(result: *const PGresult, code: u8) -> Option<String> {
    // SAFETY: the caller's promise.
    let field = unsafe { PQresultErrorField(result, c_int::from(code)) };
    // SAFETY: the text ends with a zero and lives as long as the result.
    (!field.is_null()).then(|| unsafe { text(field) })
}

/// A copy of a text of libpq; empty for NULL.
///
/// # Safety
/// `text` is NULL, or ends with a zero and lives during the call.
pub(crate) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
