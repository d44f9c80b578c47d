//! How `serve` ends: in order, and sooner than container runtimes kill it, ten seconds after they asked it to.
//!
//! | after the signal | |
//! |---|---|
//! | at once | every answer closes its connection, so that connections in use end without losing a request |
//! | [`DRAIN`] | no connection is accepted any more, and idle ones are closed |
//! | [`server::SHUTDOWN_SECONDS`] later | requests that are not answered are cut off |
//! | until [`WRITES_END`] | what was noted behind the answers is written |
//! | [`HARD_END`] | the process ends, whatever its threads wait for |
//!
//! A second signal ends the process at once.

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

/// How long connections are accepted, and idle ones kept, after the signal.
const DRAIN: Duration = Duration::from_millis(500);
/// Until when after the signal what was noted behind the answers may be written.
const WRITES_END: Duration = Duration::from_secs(7);
/// When after the signal the process ends, whatever goes on.
const HARD_END: Duration = Duration::from_millis(8500);
const _: () = assert!(DRAIN.as_secs() + server::SHUTDOWN_SECONDS < WRITES_END.as_secs());

/// The order to end, which a signal gives. Clones share it.
#[derive(Clone)]
pub(super) struct Shutdown(Arc<Shared>);

struct Shared {
    log: Option<LogOutput>,
    is_closing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is served, from when requests are answered.
    served: Option<(ServerHandle, Tokenry)>,
    /// Until when what waits may be written, once a signal came.
    writes_end: Option<Deadline>,
}

impl Shutdown {
    /// Waits for signals from now on.
    ///
    /// # Errors
    /// When the system gives no further thread, or no signal.
    pub(super) fn listen(log: Option<LogOutput>) -> io::Result<Self> {
        let shared = Shared { log, is_closing: AtomicBool::new(false), state: Mutex::default() };
        let shutdown = Self(Arc::new(shared));
        let (told, signals) = channel();
        signals::send_to(told)?;
        let ending = shutdown.clone();
        Builder::new().name("tokenry-shutdown".to_owned()).spawn(move || ending.run(&signals))?;
        Ok(shutdown)
    }

    /// Requests are answered from now on.
    pub(super) fn begin_serving(&self, server: ServerHandle, tokenry: Tokenry) {
        self.state().served = Some((server, tokenry));
    }

    /// Has the connection closed behind this answer, if the process is to end.
    pub(super) fn close_connection<B>(&self, mut answer: ServiceResponse<B>) -> ServiceResponse<B> {
        if self.0.is_closing.load(Ordering::Relaxed) {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }

    /// Writes what was noted behind the answers; without all of it the process ends here.
    pub(super) fn finish(&self, tokenry: &Tokenry) {
        let end = self.state().writes_end.unwrap_or_else(|| Deadline::after(WRITES_END));
        let lost = tokenry.close(end.left());
        if !lost.is_empty() {
            self.end(lost);
        }
        // The last owner closes the database.
        self.state().served = None;
    }

    /// The thread that ends the process, from the first signal on.
    fn run(&self, signals: &Receiver<i32>) {
        let Ok(signal) = signals.recv() else { return };
        let hard_end = Deadline::after(HARD_END);
        let Some(server) = self.begin(signal) else { self.end(Unwritten::default()) };
        if signals.recv_timeout(DRAIN).is_err() {
            // It is told by the call, and not by the result.
            drop(server.stop(true));
            let _ = signals.recv_timeout(hard_end.left());
        }
        let lost = self.state().served.as_ref().map(|(_, tokenry)| tokenry.unwritten());
        self.end(lost.unwrap_or_default());
    }

    /// What has to be stopped; nothing before requests are answered.
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

    /// Ends the process: with status 1 and a line that names it if something was lost.
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
        // Nothing panics while it holds it.
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

    /// Has the signals that ask a process to end told to `told`, from now on.
    pub(super) fn send_to(told: Sender<i32>) -> io::Result<()> {
        let ignored = ignored();
        // `nohup` and shells that start something in the background have it ignore some of them.
        let is_ours = |signal: &i32| *signal == SIGTERM || ignored & (1 << (signal - 1)) == 0;
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP].into_iter().filter(is_ours))?;
        Builder::new().name("tokenry-signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if told.send(signal).is_err() {
                    return;
                }
            }
        })?;
        Ok(())
    }

    /// Which signals whoever started this process has it ignore, a bit each; none where the system does not say.
    fn ignored() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
    }
}

/// Elsewhere the HTTP server hears of the end by itself.
#[cfg(not(unix))]
mod signals {
    use std::{io, sync::mpsc::Sender};

    pub(super) fn send_to(told: Sender<i32>) -> io::Result<()> {
        // Nobody is told: the thread that waits for a signal ends.
        drop(told);
        Ok(())
    }
}
