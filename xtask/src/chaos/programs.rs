//! The programs of a cluster, installed where that needs no question.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::install::Software;
use crate::{postgres, programs};

/// Where the programs of a cluster are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) etcd: PathBuf,
    pub(crate) patroni: PathBuf,
    pub(crate) patronictl: PathBuf,
    pub(crate) haproxy: PathBuf,
    /// The folder of PostgreSQL's programs.
    pub(crate) postgres: PathBuf,
    /// The library that fakes the wall clock of a process.
    pub(crate) faketime: PathBuf,
}

const ETCD: Software = Software { name: "etcd", packages: ["etcd-server", "etcd", "etcd", "etcd"] };
const PATRONI: Software = Software { name: "Patroni", packages: ["patroni"; 4] };
const HAPROXY: Software = Software { name: "HAProxy", packages: ["haproxy"; 4] };
/// Patroni's client of etcd, which Debian's package of Patroni only recommends.
const PYTHON_ETCD: Software =
    Software { name: "python-etcd", packages: ["python3-etcd", "patroni-etcd", "py3-etcd", "patroni"] };
const FAKETIME: Software =
    Software { name: "libfaketime", packages: ["faketime", "libfaketime", "libfaketime", "libfaketime"] };

/// The places of the library on Debian, on Fedora and elsewhere.
const FAKETIME_PLACES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

impl Programs {
    /// # Errors
    /// When one of them is missing and cannot be installed.
    pub(crate) fn obtain(may_install: bool) -> Result<Self> {
        let program = |name: &'static str| move || programs::find(&[name]);
        let found = Self {
            postgres: postgres::bin_dir(may_install)?,
            etcd: obtain(&ETCD, may_install, program("etcd"))?,
            patroni: obtain(&PATRONI, may_install, program("patroni"))?,
            patronictl: obtain(&PATRONI, may_install, program("patronictl"))?,
            haproxy: obtain(&HAPROXY, may_install, program("haproxy"))?,
            faketime: obtain(&FAKETIME, may_install, faketime)?,
        };
        let interpreter = interpreter(&found.patroni)?;
        obtain(&PYTHON_ETCD, may_install, || has_python_etcd(&interpreter).then(PathBuf::new))?;
        Ok(found)
    }

    /// One line with the versions, for the report.
    pub(crate) fn versions(&self) -> Result<String> {
        let first_line = |program: &PathBuf, flag: &str| -> Result<String> {
            let output = Command::new(program).arg(flag).output();
            let output = output.with_context(|| format!("cannot run {}", program.display()))?;
            let text = [output.stdout, output.stderr].concat();
            Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
        };
        let haproxy = first_line(&self.haproxy, "-v")?;
        let haproxy = haproxy.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        let versions = [
            first_line(&self.postgres.join("postgres"), "--version")?,
            first_line(&self.patroni, "--version")?,
            first_line(&self.etcd, "--version")?,
            haproxy,
        ];
        Ok(versions.join(", "))
    }
}

fn obtain(software: &Software, may_install: bool, find: impl Fn() -> Option<PathBuf>) -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if may_install
        && software.install()?
        && let Some(found) = find()
    {
        return Ok(found);
    }
    bail!("{} is missing: {}", software.name, software.advice())
}

fn faketime() -> Option<PathBuf> {
    FAKETIME_PLACES.iter().map(PathBuf::from).find(|place| place.is_file())
}

/// The Python that a script names in its first line, which may be another than the one on the PATH.
fn interpreter(script: &Path) -> Result<String> {
    let text = fs::read_to_string(script).with_context(|| format!("cannot read {}", script.display()))?;
    let line = text.lines().next().and_then(|line| line.strip_prefix("#!"));
    Ok(line.with_context(|| format!("{} is no script", script.display()))?.trim().to_owned())
}

fn has_python_etcd(interpreter: &str) -> bool {
    let mut words = interpreter.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("python3"));
    let output = command.args(words).args(["-c", "import etcd"]).output();
    output.is_ok_and(|output| output.status.success())
}
