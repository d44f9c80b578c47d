//! One etcd, which keeps the leader's key of Patroni.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::rest_client;
use crate::chaos::folder::Folder;
use crate::chaos::ports;
use crate::chaos::process::Process;
use crate::chaos::wait;

pub(super) struct Etcd {
    _process: Process,
    port: u16,
}

impl Etcd {
    pub(super) fn start(program: &Path, folder: &Folder) -> Result<Self> {
        let data = folder.create("etcd")?;
        let (port, peer_port) = (ports::free()?, ports::free()?);
        let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
        let mut command = Command::new(program);
        command.args(["--name", "etcd", "--data-dir"]).arg(data.path()).args([
            "--log-level",
            "warn",
            "--enable-v2",
        ]);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("etcd={peer}")]);
        let mut process = Process::spawn(command, "etcd", folder)?;
        wait::until("etcd answers", Duration::from_secs(30), || {
            process.check_running()?;
            let response = rest_client(port).send("GET", "/health", None, "")?;
            ensure!(response.text().contains("true"), "it is unhealthy");
            Ok(())
        })?;
        Ok(Self { _process: process, port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}
