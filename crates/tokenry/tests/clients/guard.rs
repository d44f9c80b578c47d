//! A guarded service of another language, as a process.

use std::{
    fs::File,
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokenry_testkit::http::{self, Response};

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
    /// FastMCP, whose verifier authenticates by this method.
    FastMcp(&'static str),
}

/// A running service, which is killed on drop.
pub(crate) struct Guard {
    process: Child,
    address: String,
    folder: TempDir,
    /// The copy of the sources of a guard that has to be near its packages.
    _copy: Option<TempDir>,
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
                let folder = copy.insert(packages::node_copy(&["express-guard.js", "express-app.js"])?);
                let mut command = Command::new("node");
                command.arg(folder.path().join("express-app.js")).arg(port);
                command
            }
            Self::FastMcp(method) => {
                let mut command = Command::new(packages::python()?);
                command.args(["mcp_server.py", port, method]);
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
    #[track_caller]
    pub(crate) fn ask(&self, credentials: &[&str]) -> Response {
        let credentials: Vec<_> = credentials.iter().map(|credential| credential.as_bytes()).collect();
        http::get(&self.address, "/reports", &credentials)
    }

    /// The port of the service.
    pub(crate) fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
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
