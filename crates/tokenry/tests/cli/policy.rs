//! Other settings tried on the tokens there are, and what time makes of those.

use serde_json::{Value, json};
use tokenry_service::{Call, Caller, Expiry, Lifetime, NewToken};

use crate::folder::Folder;

#[test]
fn a_shorter_life_is_counted_and_changes_nothing() {
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
        "live": 2, "touched": 1, "ending_now": 0, "ending_sooner": 1, "losing_scopes": 0, "gaining_scopes": 0
    });
    assert_eq!((code, counts), (5, expected));
    let problem: Value = serde_json::from_str(&err).expect("a problem document");
    assert_eq!(problem["code"], "tokens_touched");
    let (_, table, err) = folder.end("policy check --proposed new.toml");
    assert_eq!(table.lines().count(), 2, "{table}");
    assert_eq!(err, "tokenry: 1 of 2 live tokens would be touched; nothing was changed\n");
    let (_, line, _) = folder.end("policy check --proposed new.toml --output name");
    assert_eq!(line, "live=2 touched=1 ending_now=0 ending_sooner=1 losing_scopes=0 gaining_scopes=0\n");

    assert_eq!((folder.json("token list"), folder.json("audit list")), before);
    assert!(!folder.path("other.db").exists());
}

#[test]
fn settings_that_touch_no_token_are_confirmed() {
    let folder = Folder::new();
    folder.output("user add alice");
    folder.output("token create --user alice --name ci --expires 10d");
    std::fs::write(folder.path("new.toml"), "[lifetime]\nmax_days = 30\ndefault_days = 30\n")
        .expect("a file");
    assert_eq!(folder.json("policy check --proposed new.toml")["touched"], 0);
    // What is stronger than the file stays stronger.
    let mut command = folder.tokenry();
    command.args(["policy", "check", "--proposed", "new.toml"]).env("TOKENRY_LIFETIME__MAX_DAYS", "5");
    command.env("TOKENRY_LIFETIME__DEFAULT_DAYS", "5").assert().code(0);
}

#[test]
fn wrong_proposals_and_missing_databases_are_told_apart() {
    let folder = Folder::new();
    std::fs::write(folder.path("wrong.toml"), "[lifetime]\nmax_day = 30\n").expect("a file");
    std::fs::write(folder.path("new.toml"), "").expect("a file");
    for (line, status, told) in [
        ("policy check --proposed wrong.toml", 2, "max_days (wrong.toml:2)"),
        ("policy check --proposed missing.toml", 2, "missing.toml: does not exist"),
        ("policy check --proposed new.toml", 1, "there is no such file"),
    ] {
        let (code, text) = folder.failure(line);
        assert_eq!((code, text.contains(told)), (status, true), "{line}: {text}");
    }
    assert!(!folder.path("tokenry.db").exists());
    folder.output("migrate run");
    folder.output("migrate revert --yes");
    let (code, text) = folder.failure("policy check --proposed new.toml");
    assert_eq!((code, text.contains("`tokenry migrate run`")), (1, true), "{text}");
    assert!(folder.json("migrate status").to_string().contains("\"applied\":false"));
}

#[test]
fn a_cleanup_tells_of_expired_tokens_and_removes_those_long_dead() {
    let folder = Folder::new();
    {
        let tokenry = folder.service();
        let now = tokenry_actix::clock::now();
        for (subject, days) in [("alice", 200), ("bob", 20), ("carol", 0)] {
            let call = Call::new(Caller::operator(), now.saturating_sub(Lifetime::days(days)));
            let owner = tokenry.find_or_create_user(&call, subject, None).expect("a user");
            let expiry = Some(Expiry::In(Lifetime::days(10)));
            let new = NewToken { name: subject.to_owned(), expiry, ..NewToken::default() };
            tokenry.issue(&call, owner.id, new).expect("a token");
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
