//! A server with a profile, and requests as a client of the product sends them.

use std::{
    cell::RefCell,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokenry_testkit::TestDatabase;

const ISSUER_SECRET: &str = "a shared secret of more than 32 bytes";

/// A requirement of a product, and the check of it.
pub(crate) type Requirement = (&'static str, fn(&Product<'_>));

/// A running server with a profile, which is killed on drop.
pub(crate) struct Product<'d> {
    pub(crate) db: &'d TestDatabase,
    process: RefCell<Child>,
    profile: String,
    address: String,
    folder: TempDir,
    /// The bootstrap token.
    pub(crate) root: String,
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// The body as it was sent.
    pub(crate) content: String,
    /// The body as JSON; null if it is none.
    pub(crate) body: Value,
}

impl Answer {
    /// The value of a header, empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
            .unwrap_or("")
    }

    /// A field of the body as text.
    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no text {field} in {self:?}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        self
    }
}

impl<'d> Product<'d> {
    /// A server on this database, with a profile, its issuer of JWTs with these roles, and more settings.
    pub(crate) fn start(db: &'d TestDatabase, profile: &str, roles: &[&str], more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mapped: Vec<_> = roles.iter().map(|role| format!("\"{role}\" = \"{role}\"")).collect();
        let settings = format!(
            "{more}\n[[issuers]]\nissuer = \"https://login.test\"\naudiences = [\"tokenry\"]\nalgorithm = \"HS256\"\n\
             secret_file = \"issuer-secret\"\nsubject_prefix = \"login:\"\nrole_claim = \"role\"\n\
             roles = {{ {} }}\ndefault_role = \"{}\"\ncreate_users = true\n",
            mapped.join(", "),
            roles[0]
        );
        fs::write(folder.path().join("tokenry.toml"), settings).unwrap();
        fs::write(folder.path().join("issuer-secret"), format!("{ISSUER_SECRET}\n")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let process = RefCell::new(serve(&folder, db, profile, &address));
        let profile = profile.to_owned();
        let mut product = Self { db, process, profile, address, folder, root: String::new() };
        product.wait();
        let file =
            db.folder().unwrap_or_else(|| product.folder.path().to_owned()).join("tokenry-bootstrap-token");
        product.root = fs::read_to_string(file).map(|text| text.trim().to_owned()).unwrap_or_default();
        product
    }

    /// Waits until the server answers.
    fn wait(&self) {
        let start = Instant::now();
        while self.raw("GET", "/healthz", &[], "").is_none_or(|answer| answer.status != 200) {
            assert!(start.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Shuts the server down, which writes everything that waits to be written, and starts it again.
    pub(crate) fn restart(&self) {
        let mut process = self.process.borrow_mut();
        let id = process.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        assert_eq!(process.wait().unwrap().code(), Some(0), "{}", self.log());
        *process = serve(&self.folder, self.db, &self.profile, &self.address);
        drop(process);
        self.wait();
    }

    /// Checks every requirement of a table, in its order.
    pub(crate) fn meets(&self, requirements: &[Requirement]) {
        for (requirement, check) in requirements {
            println!("{requirement}");
            check(self);
        }
    }

    /// A request with a bearer credential, unless it is empty, and a JSON body, unless it is null.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, path: &str, credential: &str, body: &Value) -> Answer {
        self.with(method, path, credential, &[], body)
    }

    /// The same with more headers.
    #[track_caller]
    pub(crate) fn with(
        &self,
        method: &str,
        path: &str,
        credential: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let bearer = format!("Bearer {credential}");
        let mut headers = more.to_vec();
        if !credential.is_empty() {
            headers.push(("Authorization", &bearer));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, &headers, &body).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, credential: &str) -> Answer {
        self.call("GET", path, credential, &Value::Null)
    }

    fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        write!(stream, "{request}\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let (head, content) = (head.to_owned(), body.to_owned());
        Some(Answer { status, head, body: serde_json::from_str(body).unwrap_or_default(), content })
    }

    /// A valid JWT of the product's issuer.
    pub(crate) fn jwt(&self, subject: &str, role: &str) -> String {
        let now = tokenry_actix::clock::now().seconds();
        let claims = json!({
            "iss": "https://login.test", "aud": "tokenry", "sub": subject, "role": role, "iat": now, "exp": now + 300,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(ISSUER_SECRET.as_bytes()).unwrap();
        mac.update(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// The status and the output of a command on this database, with the same settings.
    pub(crate) fn cli(&self, profile: &str, args: &[&str]) -> (i32, String) {
        let mut command = tokenry(&self.folder.path().to_owned(), self.db.url());
        let output = command.args(args).args(["--profile", profile]).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code().unwrap(), if output.status.success() { text[0].clone() } else { text.concat() })
    }

    /// The log of the server.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Everything that the database has about tokens, as text.
    pub(crate) fn stored(&self) -> String {
        match self.db.folder() {
            None => self.db.texts("SELECT row_to_json(t)::text FROM personal_access_tokens t").join("\n"),
            Some(folder) => ["tokenry.db", "tokenry.db-wal"]
                .map(|name| fs::read(folder.join(name)).unwrap_or_default())
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .concat(),
        }
    }

    /// Runs a statement with one text for each database.
    pub(crate) fn execute(&self, sqlite: &str, postgres: &str) {
        let statement = if self.db.folder().is_some() { sqlite } else { postgres };
        assert_eq!(self.db.execute(statement), 1, "{statement}");
    }

    /// The events of the audit log, newest first.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/v1/audit?kind={kind}&limit=200"), &self.root).is(200);
        answer.body["data"].as_array().unwrap().clone()
    }
}

/// Starts a server, which appends to the log of the folder.
fn serve(folder: &TempDir, db: &TestDatabase, profile: &str, address: &str) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
    let mut command = tokenry(&folder.path().to_owned(), db.url());
    command.args(["serve", "--profile", profile, "--listen", address]).env("TOKENRY_LOG", "debug");
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn tokenry(folder: &PathBuf, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenry"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TOKENRY_")) {
        command.env_remove(name);
    }
    command
        .env_remove("DATABASE_URL")
        .env("TOKENRY_DATABASE_URL", url)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// Waits until `is_true`, for things that happen after an answer: uses are written within a second.
#[track_caller]
pub(crate) fn until(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asserts that these tests of the page in a browser exist: they are what shows a requirement about the page.
#[track_caller]
pub(crate) fn shown_in_a_browser_by(tests: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tokenry-ui/tests/browser");
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let sources: String = files.collect();
    for test in tests {
        assert!(sources.contains(&format!("#[test]\nfn {test}() {{")), "there is no test {test}");
    }
}

/// Whether a token has this prefix, 61 letters and digits, and nothing else.
pub(crate) fn has_form(token: &str, prefix: &str) -> bool {
    let body = token.strip_prefix(prefix).unwrap_or_default();
    body.len() == 61 && body.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Another secret in the form of `token`, with the same prefix and public id and a valid checksum.
pub(crate) fn guess(token: &str) -> String {
    let front_length = token.len() - 6;
    let at = front_length - 10;
    let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
    let front = format!("{}{other}{}", &token[..at], &token[at + 1..front_length]);
    let mut crc = !0_u32;
    for byte in front.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc;
    let mut digits = [0_u8; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(rest % 62) as usize];
        rest /= 62;
    }
    format!("{front}{}", String::from_utf8_lossy(&digits))
}

impl Drop for Product<'_> {
    fn drop(&mut self) {
        let process = self.process.get_mut();
        let _ = process.kill();
        let _ = process.wait();
    }
}
