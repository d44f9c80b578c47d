//! The log of this process: filters, format and destination.

mod output;

use std::io::{self, IsTerminal, Write};

use tokenry_service::{Finding, supervisor};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use self::output::LAST_WAIT;
pub(crate) use self::output::LogOutput;
use crate::settings::{Log, LogFormat};

/// The prefix of all log targets of this program.
const OWN_TARGETS: &str = "tokenry";
/// SECURITY: the most verbose level of libraries, whatever the filter: at lower levels they quote client input, such as
/// a token in `Content-Length`.
const LIBRARY_LEVEL: LevelFilter = LevelFilter::WARN;
/// How long lost lines cause a warning.
const RECENT: std::time::Duration = std::time::Duration::from_secs(600);

/// How a command writes to standard error.
pub(crate) enum Sink {
    /// Directly, for short commands. Lines that cannot be written are lost.
    Direct,
    /// Through a queue, so that no request waits for the reader of the log.
    Queued(LogOutput),
}

impl Sink {
    /// The queue, if there is one.
    pub(crate) fn queue(&self) -> Option<&LogOutput> {
        match self {
            Self::Direct => None,
            Self::Queued(output) => Some(output),
        }
    }
}

impl Drop for Sink {
    /// Waits until the queue is written, if it has a reader.
    fn drop(&mut self) {
        if let Self::Queued(output) = self {
            output.wait_until_written(LAST_WAIT);
        }
    }
}

/// Starts the log of this process; `filter` applies to the targets of this program.
pub(crate) fn start(log: &Log, filter: &str, is_colored: bool, sink: &Sink) {
    let is_colored = is_colored && io::stderr().is_terminal();
    match sink {
        Sink::Direct => init(log.format, filter, is_colored, || Direct),
        Sink::Queued(output) => {
            let lines = output.clone();
            init(log.format, filter, is_colored, output.clone());
            write_panics_to(lines, log.format);
        }
    }
}

fn init<W>(format: LogFormat, filter: &str, is_colored: bool, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::new(filter);
    // The layer would print its internal errors with a macro that panics if standard error is closed.
    let layer = fmt::layer::<Registry>().with_writer(writer).log_internal_errors(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => Box::new(layer.with_ansi(is_colored)),
        LogFormat::Json => Box::new(layer.json().flatten_event(true)),
    };
    let targets = Targets::new().with_default(LIBRARY_LEVEL).with_target(OWN_TARGETS, LevelFilter::TRACE);
    tracing_subscriber::registry().with(layer).with(targets).with(filter).init();
}

/// Writes panics through the queue; the default hook would block on a stuck reader of standard error.
fn write_panics_to(output: LogOutput, format: LogFormat) {
    std::panic::set_hook(Box::new(move |panic| {
        // Not as a log event: the panic may have occurred inside one.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = supervisor::panic_text(panic.payload());
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let line = match format {
            LogFormat::Text => format!("thread '{thread}' panicked at {location}: {message}\n"),
            LogFormat::Json => {
                let message = format!("thread '{thread}' panicked at {location}: {message}");
                serde_json::json!({"level": "ERROR", "target": "tokenry::panic", "message": message})
                    .to_string()
                    + "\n"
            }
        };
        let _ = output.clone().write_all(line.as_bytes());
    }));
}

/// The readiness check of the log.
pub(crate) fn finding(output: &LogOutput) -> Finding {
    match output.losses() {
        (lost, Some(age)) if age < RECENT => Finding::warning(format!("lost log lines: {lost}")),
        _ => Finding::ok(),
    }
}

/// Standard error without error reporting.
struct Direct;

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
