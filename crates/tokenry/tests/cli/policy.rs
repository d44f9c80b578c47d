//! Checks of other settings against existing tokens, and cleanup.

use serde_json::{Value, json};
use tokenry_service::{Expiry, Lifetime, NewToken, RequestContext, unrestricted};

use crate::{folder::Folder, server::Server};

#[test]
fn a_shorter_lifetime_is_counted_and_changes_nothing() {
    let folder = Folder::new();
    folder.output("user add alice");
    folder.output("token create --user alice --name long --expires 200d");
    folder.output("token create --user alice --name short --expires 10d");
    let before = (folder.json("token list"), folder.json("audit list"));
    let proposed = "[lifetime]\nmax_days = 30\ndefault_days = 30\n";
    std::fs::write(folder.path("new.toml"), format!("database_url = \"sqlite://other.db\"\n{proposed}"))
        .expect("a file");

    let (code, out, err) = folder.end("policy check --proposed new.toml --output json");
    let counts: Value = serde_json::from_str(&out).expect("JSON");
    let expected = json!({
        "live": 2, "touched": 1, "ending_now": 0, "ending_sooner": 1, "losing_scopes": 0, "gaining_scopes": 0,
        "refused_prefixes": 0, "missing_peppers": 0, "missing_roles": 0, "old_secrets": 0, "unreachable_users": 0,
        "stored": {
            "prefixes": {}, "peppers": {}, "token_roles": {}, "user_roles": {}, "old_secrets": 0,
            "unreachable_users": 0, "default_scopes": []
        }
    });
    assert_eq!((code, counts), (5, expected));
    let problem: Value = serde_json::from_str(&err).expect("a problem document");
    assert_eq!(problem["code"], "tokens_touched");
    let (_, table, err) = folder.end("policy check --proposed new.toml");
    assert_eq!(table.lines().count(), 2, "{table}");
    assert_eq!(err, "tokenry: 1 of 2 live tokens would be affected; nothing was changed\n");
    let (_, line, _) = folder.end("policy check --proposed new.toml --output name");
    let policy = "live=2 touched=1 ending_now=0 ending_sooner=1 losing_scopes=0 gaining_scopes=0";
    let stored = "refused_prefixes=0 missing_peppers=0 missing_roles=0 old_secrets=0 unreachable_users=0";
    assert_eq!(line, format!("{policy} {stored}\n"));

    assert_eq!((folder.json("token list"), folder.json("audit list")), before);
    assert!(!folder.path("other.db").exists());
}

#[test]
fn settings_that_affect_no_token_are_confirmed() {
    let folder = Folder::new();
    folder.output("user add alice");
    folder.output("token create --user alice --name ci --expires 10d");
    std::fs::write(folder.path("new.toml"), "[lifetime]\nmax_days = 30\ndefault_days = 30\n")
        .expect("a file");
    assert_eq!(folder.json("policy check --proposed new.toml")["touched"], 0);
    // The environment still overrides the file.
    let mut command = folder.tokenry();
    command.args(["policy", "check", "--proposed", "new.toml"]).env("TOKENRY_LIFETIME__MAX_DAYS", "5");
    command.env("TOKENRY_LIFETIME__DEFAULT_DAYS", "5").assert().code(0);
}

#[test]
fn a_changed_prefix_prevents_the_start_until_the_former_one_is_configured() {
    let folder = Folder::new();
    folder.output("user add alice");
    let secret = folder.output("token create --user alice --name ci --quiet");
    folder.output("token create --user alice --name other --quiet");
    let settings = |text: &str| std::fs::write(folder.path("new.toml"), text).expect("a file");
    settings("[token]\nprefix = \"pat_v2_\"\n");
    let (code, out, err) = folder.end("policy check --proposed new.toml --output json");
    let counts: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &counts["refused_prefixes"], &counts["touched"]), (5, &json!(2), &json!(0)));
    assert_eq!(counts["stored"]["prefixes"], json!({"pat_": 2}));
    assert!(err.contains("stored_rows_invalid") && err.contains("token.former_prefixes"), "{err}");
    let (_, table, _) = folder.end("policy check --proposed new.toml");
    assert!(table.contains("REFUSED PREFIXES"), "{table}");

    let (code, table, _) = folder.end("doctor --config new.toml");
    let line = table.lines().find(|line| line.contains("stored rows")).expect("a check");
    assert!(code == 5 && line.starts_with("FAILED") && line.contains("2 of 2 live tokens"), "{table}");
    let (code, err) = folder.failure("serve --config new.toml --listen 127.0.0.1:0");
    assert!(code == 2 && err.contains("token.former_prefixes"), "{err}");
    // The command line works, so that the tokens can be revoked.
    folder.output("user list --config new.toml");

    settings("[token]\nprefix = \"pat_v2_\"\nformer_prefixes = [\"pat_\"]\n");
    folder.output("policy check --proposed new.toml");
    folder.output("doctor --config new.toml");
    let check = |config: &str, status| {
        let mut command = folder.tokenry();
        command.args(["check", "-", "--config", config]).write_stdin(secret.clone()).assert().code(status);
    };
    check("new.toml", 0);
    let server = Server::with(&folder, &[("TOKENRY_CONFIG", "new.toml")]);
    let me = server.get("/api/v1/me", secret.trim());
    assert!(me.starts_with("HTTP/1.1 200"), "{me}");
    let (status, verdict) =
        server.send("POST", "/api/v1/verify", secret.trim(), &json!({"token": secret.trim()}).to_string());
    assert_eq!((status, &verdict["code"]), (403, &json!("insufficient_scope")), "{verdict}");
    assert_eq!(server.get("/auth/nginx?scope=a:read", secret.trim()).get(..12), Some("HTTP/1.1 403"));
    let made = folder.output("token create --user alice --name new --quiet --config new.toml");
    assert!(made.starts_with("pat_v2_"), "a new token has the present prefix");
    assert!(server.get("/api/v1/me", made.trim()).starts_with("HTTP/1.1 200"));

    // If some tokens still work, the server starts and warns.
    settings("[token]\nprefix = \"pat_v2_\"\n");
    check("new.toml", 5);
    drop(server);
    let server = Server::with(&folder, &[("TOKENRY_CONFIG", "new.toml")]);
    assert!(server.get("/api/v1/me", secret.trim()).starts_with("HTTP/1.1 401"));
    let log = server.log.lock().expect("a whole log").clone();
    assert!(log.contains("2 of 4 live tokens have a prefix that is rejected"), "{log}");
}

#[test]
fn invalid_proposals_and_missing_databases_have_different_errors() {
    let folder = Folder::new();
    std::fs::write(folder.path("wrong.toml"), "[lifetime]\nmax_day = 30\n").expect("a file");
    std::fs::write(folder.path("new.toml"), "").expect("a file");
    for (line, status, message) in [
        ("policy check --proposed wrong.toml", 2, "max_days (wrong.toml:2)"),
        ("policy check --proposed missing.toml", 2, "missing.toml: does not exist"),
        ("policy check --proposed new.toml", 1, "no such file"),
    ] {
        let (code, text) = folder.failure(line);
        assert_eq!((code, text.contains(message)), (status, true), "{line}: {text}");
    }
    assert!(!folder.path("tokenry.db").exists());
    folder.output("migrate run");
    folder.output("migrate revert --yes");
    let (code, text) = folder.failure("policy check --proposed new.toml");
    assert_eq!((code, text.contains("`tokenry migrate run`")), (1, true), "{text}");
    assert!(folder.json("migrate status").to_string().contains("\"applied\":false"));
}

#[test]
fn a_cleanup_records_expired_tokens_and_deletes_old_ones() {
    let folder = Folder::new();
    {
        let tokenry = folder.service();
        let now = tokenry_actix::clock::now();
        for (subject, days) in [("alice", 200), ("bob", 20), ("carol", 0)] {
            let call =
                RequestContext::new(unrestricted::operator(), now.saturating_sub(Lifetime::days(days)));
            let owner = tokenry.find_or_create_user(&call, subject, None).expect("a user");
            let expiry = Some(Expiry::In(Lifetime::days(10)));
            let new = NewToken::new(subject.to_owned()).with_expiry(expiry);
            tokenry.issue_token(&call, owner.id, new).expect("a token");
        }
    }
    assert_eq!(
        folder.json("cleanup"),
        json!({"expired": 2, "ended_sessions": 0, "purged_tokens": 1, "purged_uses": 0})
    );
    let names: Vec<_> = folder.json("token list --sort name")["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|token| token["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["bob", "carol"]);
    assert_eq!(folder.output("audit list --kind auth.token.expired --output name").lines().count(), 2);
    let again = "Expired         0\nEnded sessions  0\nPurged tokens   0\nPurged uses     0\n";
    assert_eq!(folder.output("cleanup"), again);
    assert_eq!(folder.output("cleanup --quiet"), "");
}
