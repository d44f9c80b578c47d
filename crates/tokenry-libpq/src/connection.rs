//! A connection: opening, statements, notifications.

use std::{
    ffi::{CString, c_char, c_int},
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    time::Duration,
};

use pq_sys::{
    ConnStatusType, PGconn, PQconnectdb, PQconsumeInput, PQerrorMessage, PQexec, PQexecParams, PQfinish,
    PQfreemem, PQnotifies, PQsocket, PQstatus,
};

use crate::{
    result::{Answer, Error, Row, text},
    wake::{self, Wake},
    warnings::{Collector, Warning},
};

/// A connection. One thread at a time uses it; it may move between threads.
pub struct Connection {
    raw: NonNull<PGconn>,
    /// Outlives `raw`: it is dropped after [`Drop::drop`] has closed the connection.
    warnings: Collector,
}

// SAFETY: libpq keeps no state of a connection outside of it, so another thread may go on with it. It is not `Sync`: libpq
// does not lock.
unsafe impl Send for Connection {}

/// A notification of `NOTIFY` or `pg_notify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// The text that was sent with it; empty without one.
    pub payload: String,
    /// The process id of the server process that sent it.
    pub process_id: i32,
}

impl Connection {
    /// Opens a connection. `conninfo` is what `PQconnectdb` takes: an address or `keyword=value` pairs.
    ///
    /// # Errors
    /// The message of libpq. It may contain parts of `conninfo`.
    pub fn open(conninfo: &str) -> Result<Self, Error> {
        let conninfo = c_string(conninfo)?;
        // SAFETY: the text ends with a zero and lives during the call.
        let raw = unsafe { PQconnectdb(conninfo.as_ptr()) };
        let Some(raw) = NonNull::new(raw) else { return Err(Error::OutOfMemory) };
        let connection = Self { raw, warnings: Collector::default() };
        // SAFETY: `raw` was returned above, and is closed before the collector is dropped.
        unsafe { connection.warnings.attach(raw) };
        // SAFETY: `raw` is open until this value is dropped.
        match unsafe { PQstatus(raw.as_ptr()) } {
            ConnStatusType::CONNECTION_OK => Ok(connection),
            _ => Err(connection.error()),
        }
    }

    /// Runs one statement and returns its rows. Outside of `BEGIN` the statement is a transaction, which is committed when
    /// this returns.
    ///
    /// # Errors
    /// [`Error::Server`] if the server rejected it, or if the connection was lost before the server confirmed its end; a
    /// commit may have happened then. `COPY` is not supported.
    pub fn execute(&mut self, statement: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, Error> {
        let statement = c_string(statement)?;
        let values: Vec<Option<CString>> =
            parameters.iter().map(|value| value.map(c_string).transpose()).collect::<Result<_, _>>()?;
        let pointers: Vec<*const c_char> =
            values.iter().map(|value| value.as_ref().map_or(ptr::null(), |value| value.as_ptr())).collect();
        let count = c_int::try_from(pointers.len()).map_err(|_| Error::TooMany)?;
        // SAFETY: `raw` is open. All texts end with a zero and live during the call, `pointers` has `count` elements, and
        // libpq takes absent lengths and formats for texts.
        let result = unsafe {
            PQexecParams(
                self.raw.as_ptr(),
                statement.as_ptr(),
                count,
                ptr::null(),
                pointers.as_ptr(),
                ptr::null(),
                ptr::null(),
                0,
            )
        };
        self.answer(result)?.rows()
    }

    /// Runs statements that are separated by semicolons, without parameters; their rows are dropped.
    ///
    /// # Errors
    /// As for [`execute`](Self::execute); the statements after one that fails are not run.
    pub fn execute_all(&mut self, statements: &str) -> Result<(), Error> {
        let statements = c_string(statements)?;
        // SAFETY: `raw` is open, and the text ends with a zero and lives during the call.
        let result = unsafe { PQexec(self.raw.as_ptr(), statements.as_ptr()) };
        self.answer(result).map(drop)
    }

    /// The warnings that arrived since the last call, oldest first: notices of severity `WARNING` or worse. Those of a
    /// commit have arrived when the statement that commits returns. The session must not set `client_min_messages` above
    /// `warning`.
    #[must_use]
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    /// The notifications that have arrived, in their order. Does not wait.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn notifications(&mut self) -> Result<Vec<Notification>, Error> {
        // SAFETY: `raw` is open.
        if unsafe { PQconsumeInput(self.raw.as_ptr()) } == 0 {
            return Err(self.error());
        }
        let mut notifications = Vec::new();
        loop {
            // SAFETY: `raw` is open.
            let Some(next) = NonNull::new(unsafe { PQnotifies(self.raw.as_ptr()) }) else {
                return Ok(notifications);
            };
            // SAFETY: libpq returned a valid notification, which nobody else uses.
            let found = unsafe { next.as_ref() };
            // SAFETY: the text ends with a zero and lives as long as the notification.
            let channel = unsafe { text(found.relname) };
            // SAFETY: the same.
            let payload = unsafe { text(found.extra) };
            let process_id = found.be_pid;
            // SAFETY: the notification is used no longer; its texts are parts of the same memory.
            unsafe { PQfreemem(next.as_ptr().cast()) };
            notifications.push(Notification { channel, payload, process_id });
        }
    }

    /// Sleeps until the server has sent something, the wake is used, or `timeout` has passed. Call
    /// [`notifications`](Self::notifications) first: one that has arrived already ends no sleep.
    ///
    /// # Errors
    /// If the connection is closed, or the system cannot wait.
    pub fn wait(&mut self, timeout: Duration, wake: &Wake) -> Result<(), Error> {
        let socket = self.socket().ok_or(Error::Closed)?;
        wake::wait(socket, wake, timeout).map_err(Error::Wait)
    }

    /// The socket; `None` if the connection is closed.
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: `raw` is open.
        let socket = unsafe { PQsocket(self.raw.as_ptr()) };
        // SAFETY: libpq closes the socket only in calls that take `&mut self`, or when this value is dropped.
        (socket >= 0).then(|| unsafe { BorrowedFd::borrow_raw(socket) })
    }

    fn answer(&self, result: *mut pq_sys::PGresult) -> Result<Answer, Error> {
        // SAFETY: libpq has just returned it, and nobody else frees it.
        match unsafe { Answer::take(result) } {
            Some(answer) => answer.checked(),
            // Without memory, or without a connection.
            None => Err(self.error()),
        }
    }

    /// The last error of the connection itself.
    fn error(&self) -> Error {
        // SAFETY: `raw` is open.
        let message = unsafe { PQerrorMessage(self.raw.as_ptr()) };
        // SAFETY: the text ends with a zero, and lives until the next call on the connection.
        let message = unsafe { text(message) };
        Error::Server { sqlstate: None, message: message.trim_end().to_owned() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: `raw` is open, and nobody uses it afterwards.
        unsafe { PQfinish(self.raw.as_ptr()) };
    }
}

fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Nul)
}
