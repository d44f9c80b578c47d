//! Collects the warnings of a connection.

use std::{
    ffi::c_void,
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError},
};

use pq_sys::{
    PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_SEVERITY_NONLOCALIZED, PG_DIAG_SQLSTATE, PGconn, PGresult,
    PQsetNoticeReceiver,
};

use crate::result::error_field;

/// The most warnings that are kept; more change nothing.
const CAPACITY: usize = 16;
/// The severities of notices that are no warnings. They are not translated.
const HARMLESS: [&str; 4] = ["NOTICE", "INFO", "LOG", "DEBUG"];

/// A warning of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Its code; `01000` for most. `None` for one of libpq itself.
    pub sqlstate: Option<String>,
    /// Its text, in the language of the server.
    pub message: String,
}

/// What libpq hands its notices to. Its address stays the same while it moves.
#[derive(Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Warning>>>);

impl Collector {
    /// Makes libpq hand over the notices of a connection.
    ///
    /// # Safety
    /// The connection is open, and is closed before this value is dropped.
    pub(crate) unsafe fn attach(&self, connection: NonNull<PGconn>) {
        let address = Arc::as_ptr(&self.0).cast_mut().cast::<c_void>();
        // SAFETY: `receive` has the type that libpq calls, and takes the address of a collector, which outlives the
        // connection.
        unsafe { PQsetNoticeReceiver(connection.as_ptr(), Some(receive), address) };
    }

    pub(crate) fn take(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Called by libpq, in the thread that called it, for each notice.
unsafe extern "C" fn receive(collector: *mut c_void, notice: *const PGresult) {
    // SAFETY: the notice lives during this call.
    let field = |code| unsafe { error_field(notice, code) };
    // A notice without a severity is one of libpq, such as of a message that it does not understand.
    let severity = field(PG_DIAG_SEVERITY_NONLOCALIZED).unwrap_or_default();
    if HARMLESS.contains(&severity.as_str()) {
        return;
    }
    let message = field(PG_DIAG_MESSAGE_PRIMARY).unwrap_or_default();
    let warning = Warning { sqlstate: field(PG_DIAG_SQLSTATE), message };
    // SAFETY: the address is that of the mutex of a collector, which outlives the connection.
    let warnings = unsafe { &*collector.cast::<Mutex<Vec<Warning>>>() };
    let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
    if warnings.len() < CAPACITY {
        warnings.push(warning);
    }
}
