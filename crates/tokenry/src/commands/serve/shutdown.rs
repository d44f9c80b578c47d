//! The graceful shutdown of `serve`, which ends before the ten seconds after which container runtimes kill a process.
//!
//! | after the signal | |
//! |---|---|
//! | immediately | every answer closes its connection, so that active connections end without losing a request |
//! | [`DRAIN`] | no connection is accepted any more, and idle ones are closed |
//! | [`server::SHUTDOWN_SECONDS`] later | unanswered requests are aborted |
//! | until [`WRITES_END`] | deferred writes are completed |
//! | [`HARD_END`] | the process ends, whatever its threads wait for |
//!
//! A second signal ends the process immediately.

use std::{
    io::{self, Write as _},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread::Builder,
    time::Duration,
};

use actix_web::{
    dev::{ServerHandle, ServiceResponse},
    http::ConnectionType,
};
use tokenry_actix::server;
use tokenry_service::{Tokenry, Unwritten, supervisor::Deadline};

use crate::log::LogOutput;

/// How long after the signal connections are accepted and idle ones kept.
const DRAIN: Duration = Duration::from_millis(500);
/// The deadline of deferred writes, from the signal on.
const WRITES_END: Duration = Duration::from_secs(7);
/// The time from the signal to the forced end of the process.
const HARD_END: Duration = Duration::from_millis(8500);
const _: () = assert!(DRAIN.as_secs() + server::SHUTDOWN_SECONDS < WRITES_END.as_secs());

/// The shutdown of the process on a signal. Clones share it.
#[derive(Clone)]
pub(super) struct Shutdown(Arc<Shared>);

struct Shared {
    log: Option<LogOutput>,
    is_closing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The server and the service, once requests are answered.
    served: Option<(ServerHandle, Tokenry)>,
    /// The deadline of deferred writes, once a signal was received.
    writes_end: Option<Deadline>,
}

impl Shutdown {
    /// Starts to wait for signals.
    ///
    /// # Errors
    /// If the system cannot start a thread or register a signal handler.
    pub(super) fn listen(log: Option<LogOutput>) -> io::Result<Self> {
        let shared = Shared { log, is_closing: AtomicBool::new(false), state: Mutex::default() };
        let shutdown = Self(Arc::new(shared));
        let (sender, signals) = channel();
        signals::send_to(sender)?;
        let ending = shutdown.clone();
        Builder::new().name("tokenry-shutdown".to_owned()).spawn(move || ending.run(&signals))?;
        Ok(shutdown)
    }

    /// Registers the server that a signal stops.
    pub(super) fn begin_serving(&self, server: ServerHandle, tokenry: Tokenry) {
        self.state().served = Some((server, tokenry));
    }

    /// Closes the connection after this answer during a shutdown.
    pub(super) fn close_connection<B>(&self, mut answer: ServiceResponse<B>) -> ServiceResponse<B> {
        if self.0.is_closing.load(Ordering::Relaxed) {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }

    /// Completes deferred writes; ends the process with status 1 if some are lost.
    pub(super) fn finish(&self, tokenry: &Tokenry) {
        let end = self.state().writes_end.unwrap_or_else(|| Deadline::after(WRITES_END));
        let lost = tokenry.close(end.left());
        if !lost.is_empty() {
            self.end(lost);
        }
        // The last owner closes the database.
        self.state().served = None;
    }

    /// The thread that ends the process after the first signal.
    fn run(&self, signals: &Receiver<i32>) {
        let Ok(signal) = signals.recv() else { return };
        let hard_end = Deadline::after(HARD_END);
        let Some(server) = self.begin(signal) else { self.end(Unwritten::default()) };
        if signals.recv_timeout(DRAIN).is_err() {
            // The call itself stops the server; the future only waits for it.
            drop(server.stop(true));
            let _ = signals.recv_timeout(hard_end.left());
        }
        let lost = self.state().served.as_ref().map(|(_, tokenry)| tokenry.unwritten());
        self.end(lost.unwrap_or_default());
    }

    /// Begins the shutdown and returns the server to stop; `None` before requests are answered.
    fn begin(&self, signal: i32) -> Option<ServerHandle> {
        let mut state = self.state();
        state.writes_end = Some(Deadline::after(WRITES_END));
        let server = state.served.as_ref().map(|(server, _)| server.clone());
        match server {
            Some(_) => tracing::info!(signal, "stopping"),
            None => tracing::info!(signal, "stopped before requests were answered"),
        }
        self.0.is_closing.store(true, Ordering::Relaxed);
        server
    }

    /// Ends the process; with status 1 and a log line if writes were lost.
    fn end(&self, lost: Unwritten) -> ! {
        if !lost.is_empty() {
            tracing::error!(%lost, "stopped before everything was written");
        }
        if let Some(mut log) = self.0.log.clone() {
            let _ = log.flush();
        }
        process::exit(i32::from(!lost.is_empty()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
mod signals {
    use std::{fs, io, sync::mpsc::Sender, thread::Builder};

    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
        iterator::Signals,
    };

    /// Sends termination signals to `sender`.
    pub(super) fn send_to(sender: Sender<i32>) -> io::Result<()> {
        let ignored = ignored();
        // `nohup` and shells that start a background process make it ignore some signals.
        let is_handled = |signal: &i32| *signal == SIGTERM || ignored & (1 << (signal - 1)) == 0;
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP].into_iter().filter(is_handled))?;
        Builder::new().name("tokenry-signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if sender.send(signal).is_err() {
                    return;
                }
            }
        })?;
        Ok(())
    }

    /// The signals that the parent process made this one ignore, as a bit mask; zero if the system does not report
    /// them.
    fn ignored() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
    }
}

/// On other systems the HTTP server handles signals itself.
#[cfg(not(unix))]
mod signals {
    use std::{io, sync::mpsc::Sender};

    pub(super) fn send_to(sender: Sender<i32>) -> io::Result<()> {
        // Closing the channel ends the thread that waits for signals.
        drop(sender);
        Ok(())
    }
}
