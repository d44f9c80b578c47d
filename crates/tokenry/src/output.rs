//! What is written where: answers and secrets to standard output, everything else to standard error.

mod cli_error;
mod escape;
mod timed;
mod view;

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use self::timed::TimedOutput;
pub(crate) use self::{cli_error::CliError, view::View};
use crate::cli::{Format, Global};

/// The three standard streams of a command and how it was asked to use them.
///
/// Everything that is written goes through [`escape`]: no name or reason can move the cursor of a terminal.
pub(crate) struct Console {
    input: Box<dyn BufRead>,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    format: Format,
    quiet: bool,
    interactive: bool,
}

impl Console {
    /// The streams of this process, used as the command line asks for.
    pub(crate) fn of_process(global: &Global) -> Self {
        Self::new(global.output, global.quiet)
    }

    /// For a command line that could not be read, but asks for JSON.
    pub(crate) fn for_usage() -> Self {
        Self::new(Format::Json, false)
    }

    fn new(format: Format, quiet: bool) -> Self {
        Self {
            input: Box::new(io::stdin().lock()),
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            format,
            quiet,
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// For a command that must not wait for whoever reads its streams: notes go to `err`, and standard output is given up
    /// when nobody reads it.
    ///
    /// # Errors
    /// When the system gives no further thread.
    pub(crate) fn never_wait(&mut self, err: impl Write + 'static) -> io::Result<()> {
        self.out = Box::new(TimedOutput::start(io::stdout())?);
        self.err = Box::new(err);
        Ok(())
    }

    /// Writes the answer to standard output.
    pub(crate) fn answer(&mut self, view: &View) -> Result<(), CliError> {
        let text = match self.format {
            Format::Table => view.to_table(),
            Format::Json => pretty(&view.json),
            Format::Name => view.names.iter().map(|name| escape::line(name) + "\n").collect(),
        };
        self.write(&text)
    }

    /// Writes what a change led to. Whoever wants it quiet asks for it by `--output json` or `name`, or not at all.
    pub(crate) fn outcome(&mut self, view: &View) -> Result<(), CliError> {
        if self.quiet && self.format == Format::Table { Ok(()) } else { self.answer(view) }
    }

    /// Writes a secret to standard output, alone or as the member `token` of the JSON object; what else is known of it
    /// goes to standard error, unless that is to be quiet.
    ///
    /// # Errors
    /// It could not be written: nobody has seen it, and nobody can be shown it again.
    pub(crate) fn secret(&mut self, secret: &str, view: View) -> Result<(), CliError> {
        let written = match self.format {
            Format::Json => {
                let mut json = view.json;
                if let Value::Object(object) = &mut json {
                    object.insert("token".to_owned(), Value::String(secret.to_owned()));
                }
                let text = Zeroizing::new(pretty(&json));
                if let Some(Value::String(copy)) = json.get_mut("token") {
                    copy.zeroize();
                }
                self.out.write_all(text.as_bytes())
            }
            format => {
                if !self.quiet {
                    let details =
                        if format == Format::Table { view.to_table() } else { view.names.join("\n") + "\n" };
                    // What stands beside the secret may get lost; the secret may not.
                    let _ = self.err.write_all(details.as_bytes());
                }
                self.out.write_all(secret.as_bytes()).and_then(|()| self.out.write_all(b"\n"))
            }
        };
        written.and_then(|()| self.out.flush()).map_err(|error| {
            CliError::failed("output_lost", format!("the secret could not be written: {error}"))
                .next("revoke the token and create another")
        })
    }

    /// Writes a text that was made by this program for standard output, such as a completion script.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.write(text)
    }

    /// Tells what was done, on standard error, unless it is to be quiet.
    pub(crate) fn note(&mut self, line: &str) {
        if !self.quiet {
            // Nobody is left to hear that standard error is closed.
            let _ = self.err.write_all((escape::line(line) + "\n").as_bytes());
        }
    }

    /// Asks on a terminal whether to go on; without a terminal there is nobody to ask, and the command is the answer.
    ///
    /// # Errors
    /// [`Exit::Cancelled`] unless the answer is `y` or `yes`.
    pub(crate) fn confirm(&mut self, question: &str, yes: bool) -> Result<(), CliError> {
        if yes || !self.interactive {
            return Ok(());
        }
        let mut answer = String::new();
        let asked = write!(self.err, "{} [y/N] ", escape::line(question)).and_then(|()| self.err.flush());
        let read = asked.and_then(|()| self.input.read_line(&mut answer));
        let agreed = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
        if read.is_ok() && agreed { Ok(()) } else { Err(CliError::cancelled()) }
    }

    /// Reads standard input to its end, as UTF-8 of at most `most` bytes.
    pub(crate) fn read(&mut self, most: u64) -> Result<Zeroizing<String>, CliError> {
        use io::Read;
        let mut text = Zeroizing::new(String::new());
        match self.input.by_ref().take(most + 1).read_to_string(&mut text) {
            Ok(length) if length as u64 <= most => Ok(text),
            Ok(_) => Err(CliError::usage(format!("standard input is longer than {most} bytes"))),
            Err(error) => Err(CliError::usage(format!("standard input cannot be read: {error}"))),
        }
    }

    /// Tells what went wrong on standard error, and with what status the process ends.
    pub(crate) fn fail(&mut self, failure: &CliError) -> ExitCode {
        let text = match self.format {
            Format::Json => pretty(&failure.to_problem()),
            Format::Table | Format::Name => failure.to_lines(),
        };
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
        failure.exit().into()
    }

    /// A reader that went away (`tokenry token list | head`) has seen what it wanted.
    fn write(&mut self, text: &str) -> Result<(), CliError> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::failed("output_lost", format!("the answer could not be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}

fn pretty(json: &Value) -> String {
    escape::json(&format!("{json:#}")) + "\n"
}

#[cfg(test)]
mod tests;
