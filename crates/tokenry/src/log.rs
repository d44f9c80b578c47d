//! The log of this process: what is written, in which form and where.

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

/// What all targets of this program begin with.
const OURS: &str = "tokenry";
/// SECURITY: the most that libraries write, whatever the filter says: below it they quote what clients send, such as a
/// token in `Content-Length`.
const THEIRS: LevelFilter = LevelFilter::WARN;
/// How long a loss of lines is worth a warning.
const RECENT: std::time::Duration = std::time::Duration::from_secs(600);

/// How a command uses standard error.
pub(crate) enum Sink {
    /// Line by line, as a command does that ends soon. What cannot be written is lost.
    Direct,
    /// Over a queue, so that no request waits for whoever reads it.
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
    /// What is queued is written, if somebody reads it.
    fn drop(&mut self) {
        if let Self::Queued(output) = self {
            output.wait_until_written(LAST_WAIT);
        }
    }
}

/// Starts the log of this process; `filter` is in force for the targets of this program.
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
    // Without its own complaints, which it prints by a macro that panics when standard error is closed.
    let layer = fmt::layer::<Registry>().with_writer(writer).log_internal_errors(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => Box::new(layer.with_ansi(is_colored)),
        LogFormat::Json => Box::new(layer.json().flatten_event(true)),
    };
    let targets = Targets::new().with_default(THEIRS).with_target(OURS, LevelFilter::TRACE);
    tracing_subscriber::registry().with(layer).with(targets).with(filter).init();
}

/// Has panics written as everything else is: the default would wait for a reader of standard error.
fn write_panics_to(output: LogOutput, format: LogFormat) {
    std::panic::set_hook(Box::new(move |panic| {
        // Not by an event: the panic may have come from the middle of one.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = supervisor::panic_text(panic.payload());
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let line = match format {
            LogFormat::Text => format!("thread '{thread}' panicked at {place}: {said}\n"),
            LogFormat::Json => {
                let message = format!("thread '{thread}' panicked at {place}: {said}");
                serde_json::json!({"level": "ERROR", "target": "tokenry::panic", "message": message})
                    .to_string()
                    + "\n"
            }
        };
        let _ = output.clone().write_all(line.as_bytes());
    }));
}

/// What a readiness check says about the log.
pub(crate) fn judge(output: &LogOutput) -> Finding {
    match output.losses() {
        (lost, Some(age)) if age < RECENT => {
            Finding::warning(format!("lines of the log that could not be written: {lost}"))
        }
        _ => Finding::ok(),
    }
}

/// Standard error, whose failures nobody hears of.
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
