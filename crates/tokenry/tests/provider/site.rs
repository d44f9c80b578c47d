//! A provider and a server that names it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tokenry_testkit::TestDatabase;

use crate::{
    packages,
    server::{Server, free_address, tokenry},
};

/// The client secret, with characters that must be encoded.
pub(crate) const SECRET: &str = "s3cret+of/the=client";

/// The provider, which is killed on drop.
pub(crate) struct Provider {
    process: Child,
    pub(crate) address: String,
    _sources: TempDir,
}

impl Provider {
    /// Starts it for a server at this address; `None` without its packages.
    pub(crate) fn start(address: &str, server: &str) -> Option<Self> {
        let sources = packages::node_copy(&["oidc-provider.js"])?;
        let port = address.rsplit(':').next().unwrap();
        let mut process = Command::new("node")
            .args(["oidc-provider.js", port, &format!("http://{server}")])
            .env("CLIENT_SECRET", SECRET)
            .current_dir(sources.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with("provider: ")), "the provider started");
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, address: address.to_owned(), _sources: sources })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server that names a provider at `provider`, whether or not it runs.
pub(crate) fn serve(db: &TestDatabase, provider: &str) -> Server {
    Server::start(db.url(), |folder, address| {
        configure(folder, address, provider);
        let mut command = tokenry(folder, db.url());
        command.args(["serve", "--listen", address]).stderr(Stdio::null());
        command
    })
}

/// Writes the settings of such a server.
pub(crate) fn configure(folder: &Path, address: &str, provider: &str) {
    let settings = format!(
        "[server]\npublic_url = \"http://{address}\"\n[[providers]]\nid = \"corp\"\nname = \"Corp <b>&amp;\"\n\
         issuer = \"http://{provider}\"\nclient_id = \"tokenry\"\nclient_secret_file = \"secret\"\nscopes = [\"profile\"]\n\
         name_claim = \"name\"\nrole_claim = \"groups\"\nroles = {{ operators = \"admin\" }}\ncreate_users = true\n"
    );
    fs::write(folder.join("tokenry.toml"), settings).unwrap();
    fs::write(folder.join("secret"), format!("{SECRET}\n")).unwrap();
}

/// The finding of `tokenry doctor` about providers, and whether it is good.
pub(crate) fn doctor(db: &TestDatabase, address: &str, provider: &str) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), address, provider);
    let mut command = tokenry(folder.path(), db.url());
    let output = command.args(["doctor", "--output", "json"]).stdout(Stdio::piped()).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = document["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["check"] == "providers").unwrap();
    (found["ok"] == true, found["detail"].as_str().unwrap().to_owned())
}

/// An address for a provider that starts later.
pub(crate) fn address() -> String {
    free_address()
}
