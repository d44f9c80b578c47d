//! The private PostgreSQL runs while its command runs, and nothing of it remains however the command ends.
#![allow(clippy::print_stderr, reason = "a skipped test must say so")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[test]
fn nothing_is_left_after_a_signal() -> Result<()> {
    for signal in ["INT", "TERM", "KILL"] {
        let Some(mut running) = Running::start()? else { return Ok(()) };
        assert!(running.accepts_login()?, "the server must be up before it can be stopped");
        // std can only send SIGKILL; `kill` is built into every shell.
        let kill = format!("kill -{signal} {}", running.command.id());
        assert!(Command::new("sh").args(["-c", &kill]).status()?.success());
        running.command.wait()?;
        assert!(running.vanishes(), "SIG{signal} left {} behind", running.folder.display());
    }
    Ok(())
}

#[test]
fn the_server_lives_as_long_as_the_command_and_passes_its_exit_code_on() -> Result<()> {
    let script = "echo \"$TOKENRY_TEST_POSTGRES_URL\"; exit 7";
    let output = xtask(&["--", "sh", "-c", script]).output()?;
    let stderr = String::from_utf8(output.stderr)?;
    if is_missing(&stderr) {
        return Ok(());
    }
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    let url = String::from_utf8(output.stdout)?;
    assert!(TcpStream::connect(address(url.trim())?).is_err(), "the server must be gone");
    assert!(!Path::new(&folder(&stderr)?).exists(), "the folder must be gone");
    Ok(())
}

/// `cargo xtask postgres` with its server up.
struct Running {
    command: Child,
    /// Kept open: the command ends when its output is closed.
    _stderr: BufReader<ChildStderr>,
    address: String,
    folder: PathBuf,
}

impl Running {
    /// `None`, with a notice, if no PostgreSQL is installed.
    fn start() -> Result<Option<Self>> {
        let mut command = xtask(&[]).spawn()?;
        let stdout = command.stdout.take().ok_or("no stdout")?;
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url)?;
        let mut stderr = BufReader::new(command.stderr.take().ok_or("no stderr")?);
        let mut report = String::new();
        stderr.read_line(&mut report)?;
        if is_missing(&report) {
            command.wait()?;
            return Ok(None);
        }
        let (address, folder) = (address(url.trim())?, folder(&report)?.into());
        Ok(Some(Self { command, _stderr: stderr, address, folder }))
    }

    /// Logs in as the tests do. The response to a start-up message begins with `R` and has a 0 when the login succeeded.
    fn accepts_login(&self) -> Result<bool> {
        let parameters = b"user\0tokenry\0database\0postgres\0\0";
        let length = u32::try_from(8 + parameters.len())?;
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(&[&length.to_be_bytes() as &[u8], &[0, 3, 0, 0], parameters].concat())?;
        let mut answer = [0; 9];
        stream.read_exact(&mut answer)?;
        Ok(answer == *b"R\0\0\0\x08\0\0\0\0")
    }

    /// `true` as soon as both the port and the folder are gone; `false` if that takes over 20 seconds.
    fn vanishes(&self) -> bool {
        (0..200).any(|_| {
            let gone = !self.folder.exists() && TcpStream::connect(&self.address).is_err();
            if !gone {
                sleep(Duration::from_millis(100));
            }
            gone
        })
    }
}

impl Drop for Running {
    /// A failing test also removes everything.
    fn drop(&mut self) {
        let _ = self.command.kill();
        let _ = self.command.wait();
    }
}

fn xtask(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["postgres", "--no-install"]).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn is_missing(stderr: &str) -> bool {
    let missing = stderr.contains("PostgreSQL is missing");
    if missing {
        eprintln!("SKIPPED: no PostgreSQL is installed");
    }
    missing
}

/// `HOST:PORT` of `postgres://tokenry@HOST:PORT/...`, which may follow `NAME=`.
fn address(url: &str) -> Result<String> {
    let (_, rest) = url.split_once('@').ok_or("no URL")?;
    Ok(rest.split('/').next().ok_or("no address")?.to_owned())
}

/// The folder: the last word of the line about the server.
fn folder(stderr: &str) -> Result<String> {
    let line = stderr.lines().find(|line| line.starts_with("started ")).ok_or("no report")?;
    Ok(line.split_whitespace().last().ok_or("no folder")?.to_owned())
}
