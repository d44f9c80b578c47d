//! The OpenAPI document, read by programs of others: a linter, generators of clients, and Schemathesis.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tokenry_testkit::each_backend;

use crate::{packages, server::Server};

/// A copy of a folder of `clients/openapi` with the committed document, so that the sources stay clean.
struct Copy {
    root: TempDir,
    name: &'static str,
}

impl Copy {
    /// Below `packages`, where Node finds them.
    fn new(packages: &Path, name: &'static str) -> Self {
        let copy = Self { root: TempDir::with_prefix_in("run-", packages).unwrap(), name };
        packages::copy_folder(&packages::sources().join("openapi").join(name), &copy.folder());
        fs::create_dir(copy.root.path().join("docs")).unwrap();
        fs::copy(packages::root().join("docs/openapi.json"), copy.document()).unwrap();
        copy
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("clients/openapi").join(self.name)
    }

    fn document(&self) -> PathBuf {
        self.root.path().join("docs/openapi.json")
    }

    /// Runs a script of `package.json`.
    #[track_caller]
    fn npm(&self, script: &str, server: Option<&Server>) -> String {
        let mut command = Command::new("npm");
        command.args(["run", "--silent", script]).current_dir(self.folder());
        // Nothing is sent to the vendor.
        command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        packages::run(&mut command, server)
    }
}

#[test]
fn the_document_passes_the_linter() {
    // Only without its packages, which is an error on a build server.
    let Some(packages) = packages::openapi_node() else { return };
    Copy::new(&packages, "node").npm("lint", None);
}

each_backend!(clients_generated_for_node_work, |db| {
    // Only without their packages, which is an error on a build server.
    let Some(packages) = packages::openapi_node() else { return };
    let server = Server::logging(db.url(), "warn", Stdio::null());
    let report = Copy::new(&packages, "node").npm("test", Some(&server));
    assert!(report.contains("pass 3") && report.contains("fail 0"), "{report}");
});

each_backend!(the_client_generated_for_python_works, |db| {
    // Only without its packages, which is an error on a build server.
    let Some(python) = packages::openapi_python() else { return };
    let copy = Copy::new(python.parent().unwrap().parent().unwrap(), "python");
    let server = Server::logging(db.url(), "warn", Stdio::null());
    let mut generate = Command::new(python.with_file_name("openapi-python-client"));
    generate.args(["generate", "--meta", "none", "--fail-on-warning", "--config", "generator.yaml"]);
    generate.args(["--output-path", "tokenry_api", "--path"]).arg(copy.document());
    packages::run(generate.current_dir(copy.folder()), None);
    packages::run(Command::new(python).arg("test_client.py").current_dir(copy.folder()), Some(&server));
});

each_backend!(schemathesis_finds_no_fault, |db| {
    // Only without its packages, which is an error on a build server.
    let Some(python) = packages::openapi_python() else { return };
    let copy = Copy::new(python.parent().unwrap().parent().unwrap(), "python");
    let server = Server::logging(db.url(), "warn", Stdio::null());
    let mut check = Command::new(python.with_file_name("schemathesis"));
    check.arg("run").arg(copy.document()).current_dir(copy.folder());
    let report = packages::run(&mut check, Some(&server));
    assert!(report.contains("No issues found"), "{report}");
});
