//! The TypeScript client: its types are current, its own tests pass, and its package works.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tokenry_testkit::each_backend;

use crate::{packages, server::Server};

/// A copy of the client, so that building it leaves the sources clean.
struct Copy {
    folder: TempDir,
}

impl Copy {
    /// Below the folder of its packages, where Node finds them; `None` without them.
    fn new() -> Option<Self> {
        let folder = TempDir::with_prefix_in("run-", packages::typescript()?).unwrap();
        let copy = Self { folder };
        packages::copy_folder(&packages::sources().join("typescript"), &copy.client());
        for name in ["docs/openapi.json", "LICENSE-MIT", "LICENSE-APACHE"] {
            let to = copy.folder.path().join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(packages::root().join(name), to).unwrap();
        }
        Some(copy)
    }

    fn client(&self) -> PathBuf {
        self.folder.path().join("clients/typescript")
    }

    /// Runs a program in the folder of the client and returns what it prints.
    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str], server: Option<&Server>) -> String {
        packages::run(Command::new(program).args(arguments).current_dir(self.client()), server)
    }
}

#[test]
fn the_types_of_the_typescript_client_are_those_of_the_api() {
    // Only without its packages, which is an error on a build server.
    let Some(copy) = Copy::new() else { return };
    let schema = copy.client().join("src/schema.ts");
    let committed = fs::read_to_string(&schema).unwrap();
    fs::remove_file(&schema).unwrap();
    copy.run("npm", &["run", "generate"], None);
    assert!(
        committed == fs::read_to_string(&schema).unwrap(),
        "fix: run `cargo xtask client` and commit the file"
    );
}

each_backend!(the_typescript_client_passes_its_tests, |db| {
    // Only without its packages, which is an error on a build server.
    let Some(copy) = Copy::new() else { return };
    let server = Server::logging(db.url(), "warn", Stdio::null());
    let report = copy.run("npm", &["test"], Some(&server));
    assert!(report.contains("fail 0") && !report.contains("pass 0"), "{report}");
});

#[test]
fn the_packed_typescript_client_works_in_a_project_that_installs_it() {
    // Only without its packages, which is an error on a build server.
    let Some(copy) = Copy::new() else { return };
    let db = tokenry_testkit::TestDatabase::sqlite();
    let server = Server::logging(db.url(), "warn", Stdio::null());
    copy.run("npm", &["pack", "--silent"], None);
    let listed = copy.run("tar", &["-tzf", "tokenry-client-0.1.0.tgz"], None);
    for file in ["dist/index.js", "dist/index.d.ts", "README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(listed.contains(&format!("package/{file}\n")), "{listed}");
    }
    assert!(!listed.contains("test/") && !listed.contains("node_modules"), "{listed}");

    let project = copy.client().join("node_modules/tokenry-client");
    fs::create_dir_all(&project).unwrap();
    copy.run(
        "tar",
        &["-xzf", "tokenry-client-0.1.0.tgz", "--strip-components=1", "-C", "node_modules/tokenry-client"],
        None,
    );
    // Outside of the package itself, so that the name leads to the installed one.
    let script = copy.client().join("node_modules/project.mjs");
    let lines = [
        "import { Tokenry } from 'tokenry-client';",
        "const tokenry = new Tokenry({ url: process.env.TOKENRY_URL, token: process.env.TOKENRY_TOKEN });",
        "console.log((await tokenry.me()).subject);",
    ];
    fs::write(&script, lines.join("\n")).unwrap();
    assert_eq!(copy.run("node", &["node_modules/project.mjs"], Some(&server)).trim(), "admin");
}
