//! The binary as a PostgreSQL role with the minimum rights of a server.

use serde_json::{Value, json};
use tokenry_testkit::{TestDatabase, TestRole};

use crate::{folder::Folder, server::Server};

/// A folder whose commands connect as a role with the rights that `tokenry migrate grants` printed.
struct Restricted {
    folder: Folder,
    role: TestRole,
}

impl Restricted {
    fn new(db: &TestDatabase) -> Self {
        let site = Self { folder: Folder::new(), role: TestRole::new(db) };
        site.grant(db);
        site
    }

    /// Runs what `migrate grants` prints.
    fn grant(&self, db: &TestDatabase) {
        // The command needs no settings and no database.
        std::fs::write(self.folder.path("tokenry.toml"), "database_url = 7").expect("a file");
        db.run(&self.folder.output(&format!("migrate grants --role {}", self.role.name())));
        std::fs::remove_file(self.folder.path("tokenry.toml")).expect("the file");
    }

    fn line(&self, line: &str) -> String {
        format!("{line} --database-url {}", self.role.url())
    }

    fn output(&self, line: &str) -> String {
        self.folder.output(&self.line(line)).trim().to_owned()
    }

    fn server(&self) -> Server {
        let variables = [("DATABASE_URL", self.role.url()), ("TOKENRY_LIMITS__CREATIONS_PER_HOUR", "0")];
        Server::with(&self.folder, &variables)
    }
}

/// Sends a request as the page does and returns the head of the answer.
fn from_page(server: &Server, method: &str, credential: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(&server.address).expect("a connection");
    let host = &server.address;
    let request = format!(
        "{method} /session HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n\
         X-Tokenry-Request: 1\r\n{credential}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The rows of a token's usage log, once there are any.
fn uses(server: &Server, admin: &str, id: &str) -> Value {
    for _ in 0..200 {
        let (status, page) = server.send("GET", &format!("/api/v1/tokens/{id}/usage"), admin, "");
        assert_eq!(status, 200, "{page}");
        if page["data"].as_array().is_some_and(|rows| !rows.is_empty()) {
            return page["data"].clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("nothing was written");
}

#[test]
fn a_server_works_as_a_role_that_cannot_alter_tables() {
    let Some(db) = TestDatabase::postgres() else { return };
    let site = Restricted::new(&db);
    let server = site.server();
    let admin = std::fs::read_to_string(site.folder.path("tokenry-bootstrap-token")).expect("the kept token");
    let admin = admin.trim();
    let ok = |(status, answer): (u16, Value)| {
        assert!(status < 300, "{status} {answer}");
        answer
    };
    let post = |path: &str, body: Value| ok(server.send("POST", path, admin, &body.to_string()));
    let alice = post("/api/v1/users", json!({"subject": "alice"}))["id"].as_str().expect("an id").to_owned();
    // A token is deleted with its user, by a cascade of the database.
    site.output("token create --user alice --name gone --quiet");
    let token = post("/api/v1/tokens", json!({"name": "ci", "scopes": ["a:read"]}));
    let (id, secret) = (token["id"].as_str().expect("an id"), token["token"].as_str().expect("a secret"));
    let question = |secret: &str| json!({"token": secret, "method": "GET", "resource": "a"});
    assert_eq!(post("/api/v1/verify", question(secret))["valid"], true);
    assert_eq!(uses(&server, admin, id)[0]["count"], 1);
    let rotated = post(&format!("/api/v1/tokens/{id}/rotate"), json!({"grace_seconds": 60}));
    let renewed = rotated["token"].as_str().expect("a secret");
    assert_eq!(post("/api/v1/verify", question(renewed))["valid"], true);
    assert_eq!(post("/api/v1/verify", question(secret))["valid"], true);

    let signed_in = from_page(&server, "POST", &format!("Authorization: Bearer {admin}"));
    assert!(signed_in.starts_with("HTTP/1.1 201"), "{signed_in}");
    let cookie = signed_in.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    let cookie = format!("Cookie: {}", cookie.split(';').next().expect("a value"));
    assert!(from_page(&server, "GET", &cookie).contains("\"subject\":\"admin\""));
    assert!(from_page(&server, "DELETE", &cookie).starts_with("HTTP/1.1 204"));
    assert!(!from_page(&server, "GET", &cookie).contains("\"subject\":\"admin\""));

    ok(server.send("DELETE", &format!("/api/v1/tokens/{id}"), admin, ""));
    assert_eq!(post("/api/v1/verify", question(renewed))["valid"], false);
    ok(server.send("POST", "/api/v1/admin/cleanup", admin, ""));
    assert!(ok(server.send("GET", "/api/v1/audit", admin, ""))["data"].is_array());
    ok(server.send("DELETE", &format!("/api/v1/users/{alice}"), admin, ""));
    assert_eq!(server.send("GET", "/readyz", "", "").0, 200);
    let log = server.log.lock().expect("a whole log").clone();
    assert!(!log.contains("denied") && !log.contains("ERROR") && !log.contains("WARN"), "{log}");
}

#[test]
fn every_command_works_as_a_role_that_cannot_alter_tables() {
    let Some(db) = TestDatabase::postgres() else { return };
    let site = Restricted::new(&db);
    site.output("user add alice");
    let secret = site.output("token create --user alice --name ci --quiet");
    assert!(secret.starts_with("pat_"), "{secret}");
    let id = site.output("token list --output name");
    site.output(&format!("token update {id} --name other"));
    assert_ne!(site.output(&format!("token rotate {id} --grace 1m --quiet")), secret);
    site.output(&format!("token revoke {id} --yes"));
    site.output("token create --user alice --name ci --quiet");
    site.output("user revoke-tokens alice --yes");
    site.output("user disable alice");
    site.output("cleanup");
    site.output("user delete alice --yes");
    assert_eq!(site.output("migrate run"), "");
    assert!(site.output("audit list").contains("user.deleted"));
    site.output("audit verify");
    let doctor = site.output("doctor");
    let role = site.role.name();
    let expected = format!("the role \"{role}\" can serve and cannot modify the audit log");
    assert!(doctor.contains(&expected), "{doctor}");
    let owner = site.folder.output(&format!("doctor --database-url {}", db.url()));
    assert!(owner.contains("can also modify the audit log"), "{owner}");
    for statement in ["UPDATE audit_events SET kind = 'x'", "DELETE FROM audit_events"] {
        let refused = site.role.execute(statement).expect_err("a refusal");
        assert!(refused.contains("permission denied for table audit_events"), "{refused}");
    }
    assert!(db.execute("DELETE FROM audit_events") > 0);

    db.run(&format!("REVOKE DELETE ON sessions, users FROM {role}"));
    let (code, table, _) = site.folder.end(&site.line("doctor"));
    assert_eq!(code, 5, "{table}");
    assert!(
        table.contains("FAILED  rights") && table.contains("DELETE on sessions, DELETE on users"),
        "{table}"
    );
}

#[test]
fn a_pending_migration_ends_the_start_and_names_the_missing_right() {
    let Some(db) = TestDatabase::postgres() else { return };
    let site = Restricted::new(&db);
    db.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    // Of the last three migrations, the first makes a table that every start reads.
    for _ in 0..3 {
        site.folder.output(&format!("migrate revert --yes --database-url {}", db.url()));
    }
    let expected = format!(
        "the role \"{}\" may not apply them: it lacks CREATE on the schema \"public\"; run `tokenry migrate run` as the \
         owner of the tables, then start again\n",
        site.role.name()
    );
    for line in ["serve --listen 127.0.0.1:0", "user list", "migrate run"] {
        let (code, error) = site.folder.failure(&site.line(line));
        assert!(code == 1 && error.ends_with(&expected), "{line}: {code} {error}");
        assert!(!error.contains("defect") && !error.contains("internal"), "{error}");
    }
    let (code, table, _) = site.folder.end(&site.line("doctor"));
    assert!(code == 5 && table.contains("FAILED  migrations"), "{code} {table}");
    let (code, document, _) = site.folder.end(&site.line("policy check --proposed tokenry.toml"));
    assert_eq!(code, 2, "no such file: {document}");
    site.folder.output(&format!("migrate run --database-url {}", db.url()));
    // The migration made new tables.
    let (code, error) = site.folder.failure(&site.line("user list"));
    assert!(code == 1 && error.contains("`tokenry migrate grants`"), "{code} {error}");
    site.grant(&db);
    site.output("user list");
}

#[test]
fn a_revoked_right_causes_503_and_is_named_in_the_log() {
    let Some(db) = TestDatabase::postgres() else { return };
    let site = Restricted::new(&db);
    let server = site.server();
    let admin = std::fs::read_to_string(site.folder.path("tokenry-bootstrap-token")).expect("the kept token");
    let create = |name: &str| {
        let body = json!({"name": name, "scopes": ["tokens:read"]}).to_string();
        server.send("POST", "/api/v1/tokens", admin.trim(), &body)
    };
    let role = site.role.name();
    assert_eq!(create("before").0, 201);
    db.run(&format!("REVOKE INSERT ON audit_events FROM {role}"));
    let (status, problem) = create("between");
    assert_eq!((status, problem["code"].as_str()), (503, Some("service_unavailable")), "{problem}");
    assert!(!problem.to_string().contains("audit_events"), "{problem}");
    let expected = "permission denied for table audit_events: the role needs SELECT, INSERT on it";
    assert!(server.waits_for_log(expected), "{}", server.log.lock().expect("a whole log"));
    // Requests without an audit entry still work, and nothing was created.
    assert_eq!(server.send("GET", "/api/v1/tokens?search=between", admin.trim(), "").1["total"], 0);
    let (code, error) = site.folder.failure(&site.line("user add bob"));
    assert!(code == 1 && error.contains(expected) && !error.contains("defect"), "{code} {error}");
    assert!(!error.contains("try again"), "{error}");
    db.run(&format!("GRANT INSERT ON audit_events TO {role}"));
    assert_eq!(create("between").0, 201);

    // The start logs the missing rights.
    db.run(&format!("REVOKE DELETE ON sessions FROM {role}"));
    let again = site.server();
    assert!(again.waits_for_log("DELETE on sessions"), "{}", again.log.lock().expect("a whole log"));
}

#[test]
fn a_database_of_another_encoding_ends_the_start() {
    let Some(db) = TestDatabase::postgres() else { return };
    let ours = db.texts("SELECT current_database()").remove(0);
    let name = format!("{ours}_latin");
    db.execute(&format!("DROP DATABASE IF EXISTS {name}"));
    let options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    db.execute(&format!("CREATE DATABASE {name} {options}"));
    let folder = Folder::new();
    let url = db.url().replace(&ours, &name);
    let expected = "its encoding is LATIN1: make one with ENCODING 'UTF8' TEMPLATE template0";
    for line in ["serve", "user list", "migrate run"] {
        let (code, error) = folder.failure(&format!("{line} --database-url {url}"));
        assert!(code == 1 && error.contains(expected), "{line}: {code} {error}");
    }
    let (code, table, _) = folder.end(&format!("doctor --database-url {url}"));
    assert!(code == 5 && table.contains(expected), "{code} {table}");
    db.execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
}

#[test]
fn invalid_names_are_usage_errors() {
    let folder = Folder::new();
    let long = "a".repeat(64);
    for name in ["", "public", "none", long.as_str(), "a\tb"] {
        let output = folder.tokenry().args(["migrate", "grants", "--role", name]).assert().code(2).stdout("");
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.starts_with("tokenry: --role: "), "{name:?}: {error}");
    }
    let schema = folder.output("migrate grants --role app --schema tokens");
    assert!(schema.contains("GRANT USAGE ON SCHEMA \"tokens\" TO \"app\";"), "{schema}");
}
