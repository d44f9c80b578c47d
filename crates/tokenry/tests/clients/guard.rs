//! A guarded service of another language, as a process.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    packages,
    server::{free_address, until},
};

/// Whose guard it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Framework {
    FastApi,
    Django,
    Express,
}

/// A running service, which is killed on drop.
pub(crate) struct Guard {
    process: Child,
    address: String,
    folder: TempDir,
    /// The copy of the sources of a guard that has to be near its packages.
    _copy: Option<TempDir>,
}

/// The status, the head in lower case, and the body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} comes once");
        value
    }
}

impl Framework {
    /// Starts the service of `clients/` that asks `tokenry` with this token of its own; `None` without its packages.
    pub(crate) fn start(self, tokenry: &str, token: &str) -> Option<Guard> {
        let (address, folder) = (free_address(), TempDir::new().unwrap());
        let port = address.rsplit_once(':').unwrap().1;
        let python = packages::sources().join("python");
        let mut copy = None;
        let mut command = match self {
            Self::FastApi => {
                let mut command = Command::new(packages::python()?);
                command.args(["-m", "uvicorn", "fastapi_app:app", "--port", port]);
                command
            }
            Self::Django => {
                let mut command = Command::new(packages::python()?);
                command.args(["django_app.py", port]);
                command
            }
            Self::Express => {
                // Node looks for packages beside a script and above it.
                let place = copy.insert(TempDir::with_prefix_in("run-", packages::node()?).unwrap());
                for name in ["express-guard.js", "express-app.js", "package.json"] {
                    std::fs::copy(packages::sources().join("node").join(name), place.path().join(name))
                        .unwrap();
                }
                let mut command = Command::new("node");
                command.arg(place.path().join("express-app.js")).arg(port);
                command
            }
        };
        let log = File::create(folder.path().join("log")).unwrap();
        let process = command
            .current_dir(python)
            .env("TOKENRY_URL", format!("http://{tokenry}"))
            .env("TOKENRY_TOKEN", token)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let guard = Guard { process, address, folder, _copy: copy };
        until("the guarded service answers", || TcpStream::connect(&guard.address).is_ok());
        Some(guard)
    }
}

impl Guard {
    /// Asks for the guarded route with these `Authorization` headers.
    pub(crate) fn ask(&self, credentials: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let lines: String =
            credentials.iter().map(|credential| format!("Authorization: {credential}\r\n")).collect();
        let request = format!("GET /reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer} {}", self.log()));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Everything that the service printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
