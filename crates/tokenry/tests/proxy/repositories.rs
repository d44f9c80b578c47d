//! git, pip, npm and curl through nginx, each with a token where the program keeps its password.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use tokenry_testkit::programs;

use crate::{
    client,
    gateway::{Gateway, Kind},
    repository_server::RepositoryServer,
    setup::Backend,
    upstream::Upstream,
};

/// A server of repositories behind nginx, and the home folder of somebody who uses it.
struct Setup {
    backend: Backend,
    gateway: Gateway,
    repositories: RepositoryServer,
    home: TempDir,
}

impl Setup {
    fn start() -> Option<Self> {
        let (backend, repositories) = (Backend::for_repositories(), RepositoryServer::start());
        let gateway = Kind::Nginx.start(&backend.server.address, &repositories.address, &[])?;
        Some(Self { backend, gateway, repositories, home: TempDir::new().expect("a folder") })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.address)
    }

    fn host(&self) -> &str {
        self.gateway.address.rsplit_once(':').expect("a port").0
    }

    /// Writes a file of the home folder that others cannot read.
    fn keep(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its rights");
    }

    /// Keeps this token in `.netrc`.
    fn keep_in_netrc(&self, token: &str) {
        self.keep(".netrc", &format!("machine {} login x password {token}\n", self.host()));
    }

    fn revoke(&self, name: &str) {
        let listed = self.backend.folder.json(&format!("token list --search {name}"));
        self.backend
            .folder
            .output(&format!("token revoke {}", listed["data"][0]["id"].as_str().expect("an id")));
    }

    /// Runs a program with the home folder alone as its configuration.
    fn run(&self, program: impl Into<PathBuf>, args: &[&str]) -> Output {
        let mut command = Command::new(program.into());
        let inherited = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy().to_lowercase();
            ["pip_", "npm_", "git_"].iter().any(|start| name.starts_with(start)) || name.ends_with("_proxy")
        });
        for (name, _) in inherited {
            command.env_remove(name);
        }
        command.args(args).current_dir(self.home.path()).env("HOME", self.home.path());
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("PIP_CONFIG_FILE", "/dev/null");
        command.stdin(Stdio::null()).output().expect("the program runs")
    }

    #[track_caller]
    fn succeeds(&self, program: impl Into<PathBuf>, args: &[&str]) -> String {
        let output = self.run(program, args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?} {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &errors
    }

    /// Asserts that the program fails and prints this.
    #[track_caller]
    fn fails(&self, program: impl Into<PathBuf>, args: &[&str], because: &str) {
        let output = self.run(program, args);
        let printed =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(!output.status.success() && printed.contains(because), "{args:?} {printed}");
    }

    /// Asserts that the server behind nginx was reached and saw no credential.
    #[track_caller]
    fn reached_without_credential(&self) {
        let received = self.repositories.take();
        assert!(!received.is_empty());
        for request in received {
            assert!(request.values("authorization").is_empty(), "{request:?}");
            assert_eq!(request.values("x-resource-subject"), ["alice"], "{request:?}");
        }
    }
}

#[test]
fn git_clones_with_a_token_that_reads_and_pushes_with_one_that_writes() {
    // Only without nginx or git, which is an error on a build server.
    let (Some(setup), Some(git)) = (Setup::start(), programs::installed(&["git"])) else { return };
    let bare = setup.repositories.path("git/demo.git");
    setup.succeeds(&git, &["init", "--quiet", "--bare", bare.to_str().expect("UTF-8")]);
    let url = setup.url("/git/demo.git");
    setup.succeeds(&git, &["config", "--global", "user.name", "a"]);
    setup.succeeds(&git, &["config", "--global", "user.email", "a@example.org"]);
    setup.fails(&git, &["clone", &url, "none"], "could not read Username");
    assert!(setup.repositories.take().is_empty());

    let reader = setup.backend.token("reader", "--scope git:read");
    setup.keep_in_netrc(&reader);
    setup.succeeds(&git, &["clone", &url, "work"]);
    setup.reached_without_credential();
    setup.succeeds(&git, &["-C", "work", "commit", "--quiet", "--allow-empty", "--message", "first"]);
    setup.fails(&git, &["-C", "work", "push", "origin", "HEAD:main"], "403");

    let writer = setup.backend.token("writer", "--scope git:write");
    setup.keep_in_netrc(&writer);
    setup.succeeds(&git, &["-C", "work", "push", "origin", "HEAD:main"]);
    setup.repositories.take();
    let subject =
        setup.succeeds(&git, &["-C", bare.to_str().expect("UTF-8"), "log", "-1", "--format=%s", "main"]);
    assert_eq!(subject.trim(), "first");

    // As a header instead of a password.
    setup.keep(".netrc", "");
    let header = format!("http.extraHeader=Authorization: Bearer {reader}");
    setup.succeeds(&git, &["-c", &header, "-C", "work", "fetch", "origin"]);
    setup.reached_without_credential();

    let other = setup.backend.token("other", "--scope packages:write");
    setup.keep_in_netrc(&other);
    setup.fails(&git, &["clone", &url, "other"], "403");
    setup.keep_in_netrc(&writer);
    setup.revoke("writer");
    setup.fails(&git, &["clone", &url, "late"], "could not read Username");
    assert!(setup.repositories.take().is_empty());
    for token in [&reader, &writer, &other] {
        assert!(!setup.gateway.log().contains(token.as_str()), "{}", setup.gateway.log());
    }
}

/// A wheel, written by the interpreter in the folder that is its argument.
const WHEEL: &str = "import sys, zipfile
info = 'demo_package-1.0.dist-info/'
with zipfile.ZipFile(sys.argv[1] + '/demo_package-1.0-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('demo_package.py', '')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: demo-package\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: a\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
";

#[test]
fn pip_installs_with_a_token_that_reads() {
    let fetched = programs::fetched(env!("CARGO_TARGET_TMPDIR"), "proxies");
    // Only without nginx or pip, which is an error on a build server.
    let (Some(setup), Some(fetched)) = (Setup::start(), fetched) else { return };
    let link = "<a href=\"demo_package-1.0-py3-none-any.whl\">demo_package-1.0-py3-none-any.whl</a>";
    setup
        .repositories
        .write("simple/demo-package/index.html", &format!("<!DOCTYPE html><html><body>{link}</body></html>"));
    let folder = setup.repositories.path("simple/demo-package");
    setup.succeeds(fetched.join("bin/python"), &["-c", WHEEL, folder.to_str().expect("UTF-8")]);
    let (index, host) = (setup.url("/simple/"), setup.gateway.address.clone());
    let download =
        ["download", "--no-cache-dir", "--no-input", "--no-deps", "--dest", "wheels", "--index-url", &index];
    let download =
        [&download[..], &["--trusted-host", &host, "--disable-pip-version-check", "demo-package"]].concat();
    let pip = fetched.join("bin/pip");
    setup.fails(&pip, &download, "No matching distribution found");
    assert!(setup.repositories.take().is_empty());

    let reader = setup.backend.token("reader", "--scope packages:read");
    setup.keep_in_netrc(&reader);
    setup.succeeds(&pip, &download);
    setup.reached_without_credential();
    assert!(setup.home.path().join("wheels/demo_package-1.0-py3-none-any.whl").is_file());

    let other = setup.backend.token("other", "--scope git:write");
    setup.keep_in_netrc(&other);
    setup.fails(&pip, &download, "No matching distribution found");
    setup.keep_in_netrc(&reader);
    setup.revoke("reader");
    setup.fails(&pip, &download, "No matching distribution found");
    assert!(setup.repositories.take().is_empty());
}

#[test]
fn npm_reads_with_a_token_in_both_of_its_forms() {
    // Only without nginx or npm, which is an error on a build server.
    let (Some(setup), Some(npm)) = (Setup::start(), programs::installed(&["npm"])) else { return };
    let package = r#"{"name":"demo-package","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"demo-package","version":"1.0.0","dist":{"tarball":"http://127.0.0.1/x.tgz","shasum":"0"}}}}"#;
    setup.repositories.write("npm/demo-package", package);
    let registry = setup.url("/npm/");
    let view =
        ["view", "demo-package", "version", "--fetch-retries", "0", "--cache", "cache", "--prefer-online"];
    let view = [&view[..], &["--registry", &registry, "--update-notifier", "false"]].concat();
    let reader = setup.backend.token("reader", "--scope packages:read");
    let basic = STANDARD.encode(format!("x:{reader}"));
    setup.fails(&npm, &view, "E401");
    assert!(setup.repositories.take().is_empty());
    for form in [format!("_authToken={reader}"), format!("_auth={basic}")] {
        setup.keep(".npmrc", &format!("//{}/npm/:{form}\n", setup.gateway.address));
        assert!(setup.succeeds(&npm, &view).contains("1.0.0"), "{form}");
        setup.reached_without_credential();
    }
    // npm encodes the slash of a scoped package, and a path with an encoded slash is ambiguous.
    let scoped: Vec<_> =
        view.iter().map(|&part| if part == "demo-package" { "@scope/demo-package" } else { part }).collect();
    setup.fails(&npm, &scoped, "E400");
    setup.revoke("reader");
    setup.fails(&npm, &view, "E401");
    assert!(setup.repositories.take().is_empty());
}

#[test]
fn curl_reads_with_a_token_in_netrc_or_as_a_password() {
    // Only without nginx or curl, which is an error on a build server.
    let (Some(setup), Some(curl)) = (Setup::start(), programs::installed(&["curl"])) else { return };
    setup.repositories.write("simple/index.html", "here");
    let url = setup.url("/simple/");
    let reader = setup.backend.token("reader", "--scope packages:read");
    setup.keep_in_netrc(&reader);
    setup.fails(&curl, &["--silent", "--fail-with-body", &url], "authentication_required");
    let user = format!("x:{reader}");
    for args in
        [&["--netrc"][..], &["--user", &user], &["--anyauth", "--user", &user], &["--oauth2-bearer", &reader]]
    {
        let args = [args, &["--silent", "--fail-with-body", &url]].concat();
        assert_eq!(setup.succeeds(&curl, &args), "here", "{args:?}");
        setup.reached_without_credential();
    }
    setup.revoke("reader");
    setup.fails(&curl, &["--silent", "--fail-with-body", "--netrc", &url], "revoked_token");
    assert!(setup.repositories.take().is_empty());
}

#[test]
fn every_proxy_asks_for_a_password_in_one_line_with_basic_first() {
    let challenge = "Basic realm=\"tokenry\", Bearer realm=\"tokenry\"";
    for kind in Kind::ALL {
        let (backend, upstream) = (Backend::for_repositories(), Upstream::start());
        let Some(gateway) = kind.start(&backend.server.address, &upstream.address, &[]) else { continue };
        for (path, credential, expected) in [
            ("/v2/", None, challenge.to_owned()),
            ("/maven/x.pom", None, challenge.to_owned()),
            ("/v2/", Some("Basic eDpwYXRfeA=="), format!("{challenge}, error=\"invalid_token\"")),
        ] {
            let headers: Vec<_> = credential.into_iter().map(|value| ("Authorization", value)).collect();
            let answer = client::send(&gateway.address, &format!("GET {path}"), &headers, b"");
            assert_eq!(answer.status, 401, "{kind:?} {}", answer.text);
            let lines = answer.headers("www-authenticate");
            assert!(lines.len() == 1 && lines[0].starts_with(&expected), "{kind:?} {lines:?}");
        }
        let token = backend.token("images", "--scope images:read");
        let basic = format!("Basic {}", STANDARD.encode(format!("x:{token}")));
        let answer = client::send(&gateway.address, "GET /v2/", &[("Authorization", &basic)], b"");
        assert_eq!((answer.status, upstream.take().len()), (200, 1), "{kind:?} {}", answer.text);
    }
}
