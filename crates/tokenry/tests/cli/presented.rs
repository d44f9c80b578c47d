//! `verify`, `inspect` and `revoke` read a token from standard input.

use std::time::Duration;

use tokenry_actix::clock;
use tokenry_service::{
    Lifetime, NewToken, Policy, RequestContext, ReusePolicy, Rotation, Settings, Store, StoreSettings,
    Tokenry, unrestricted,
};

use crate::folder::Folder;

/// The status, the standard output and the standard error of a command with this input.
fn with_input(folder: &Folder, line: &str, input: &str) -> (i32, String, String) {
    let assert = folder.tokenry().args(line.split_whitespace()).write_stdin(input).assert();
    let output = assert.get_output();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code().expect("an exit status"), text(&output.stdout), text(&output.stderr))
}

fn json(folder: &Folder, line: &str, input: &str) -> serde_json::Value {
    let (code, out, err) = with_input(folder, &format!("{line} --output json"), input);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).expect("JSON")
}

fn with_token(options: &str) -> (Folder, String) {
    let folder = Folder::new();
    folder.output("user add alice");
    let secret = folder.output(&format!("token create --user alice --name ci --quiet {options}"));
    (folder, secret)
}

#[test]
fn a_token_is_verified_as_by_a_server() {
    let (folder, secret) = with_token("--scope a:write --allow-ip 10.0.0.0/8");
    for (line, code, text) in [
        ("verify - --ip 10.0.0.7", 0, "alice"),
        ("verify - --ip ::ffff:10.0.0.7 --scope a:read", 0, "alice"),
        ("verify --ip 10.0.0.7 --scope a:read --scope b:read --scope c:read", 5, "lacks b:read c:read"),
        ("verify - --ip 192.0.2.1", 5, "address not allowed"),
        ("verify -", 5, "address not allowed"),
    ] {
        let (status, out, err) = with_input(&folder, line, &secret);
        assert!(status == code && format!("{out}{err}").contains(text), "{line}: {out}{err}");
        assert!(!format!("{out}{err}").contains(&secret[16..40]));
    }
    let verdict = json(&folder, "verify - --ip 10.0.0.7", &secret);
    assert_eq!((&verdict["valid"], &verdict["user"]["subject"]), (&true.into(), &"alice".into()));
    let shown = json(&folder, "inspect -", &secret);
    assert_eq!(shown["last_used_at"], serde_json::Value::Null, "a verification here is no use");
    let (status, _, err) = with_input(&folder, "verify - --output json", "pat_x");
    let problem: serde_json::Value = serde_json::from_str(&err).expect("a problem document");
    assert_eq!((status, &problem["code"]), (5, &"invalid_token".into()));
}

#[test]
fn the_token_of_a_secret_is_shown_in_any_state() {
    let (folder, old) = with_token("");
    let id = folder.output("token list --output name").trim().to_owned();
    assert_eq!(json(&folder, "inspect -", &old)["secret"]["state"], "current");
    let new = folder.output(&format!("token rotate {id} --grace 10m --quiet"));
    let retired = json(&folder, "inspect -", &old);
    assert_eq!((&retired["id"], &retired["secret"]["state"]), (&id.clone().into(), &"retired".into()));
    assert!(retired["secret"]["valid_until"].is_string());
    folder.output(&format!("token rotate {id} --quiet"));
    for (secret, state) in [(&old, "ended"), (&new, "ended")] {
        let shown = json(&folder, "inspect -", secret);
        assert_eq!((&shown["secret"]["state"], &shown["status"]), (&state.into(), &"active".into()));
        let (code, _, err) = with_input(&folder, "revoke -", secret);
        assert!(code == 5 && err.contains(&id), "{err}");
    }
    assert_eq!(folder.json(&format!("token show {id}"))["status"], "active");
    for (input, text) in
        [("pat_x", "not a token"), ("", "not a token"), (&*old.replace("pat_", "pbt_"), "not a token")]
    {
        let (code, out, err) = with_input(&folder, "inspect -", input);
        assert!(code == 5 && out.is_empty() && err.contains(text), "{err}");
    }
}

#[test]
fn a_token_is_revoked_by_its_secret() {
    let (folder, secret) = with_token("");
    let other = Folder::new();
    assert_eq!(with_input(&other, "revoke -", &secret).0, 1, "there is no database");
    let revoked = json(&folder, "revoke - --reason leaked", &secret);
    assert_eq!(revoked["revoked"], 1);
    assert_eq!(json(&folder, "revoke -", &secret)["revoked"], 0);
    let shown = json(&folder, "inspect -", &secret);
    let expected = ("revoked".into(), "leaked".into(), "operator".into());
    assert_eq!(
        (&shown["status"], &shown["revoked_reason"], &shown["revoked_by"]),
        (&expected.0, &expected.1, &expected.2)
    );
    let (code, out, err) = with_input(&folder, "verify -", &secret);
    assert_eq!((code, out.as_str(), err.as_str()), (5, "", "tokenry: not valid: revoked\n"));
}

#[test]
fn verifying_a_found_secret_that_a_rotation_ended_is_no_use_of_it() {
    let folder = Folder::new();
    let service = folder.service();
    // Long ago, so that a use cannot be that of a client that did not receive the new secret.
    let ago = |seconds| {
        RequestContext::new(unrestricted::operator(), clock::now().saturating_sub(Lifetime::seconds(seconds)))
    };
    let alice = service.find_or_create_user(&ago(3000), "alice", None).expect("a user");
    let issued = service.issue_token(&ago(3000), alice.id, NewToken::new("ci".to_owned())).expect("a token");
    let (id, old) = (issued.token.id, issued.secret.reveal_once().to_string());
    service.rotate_token(&ago(2000), id, Rotation::default()).expect("a rotation");
    drop(service);
    let mut command = folder.tokenry();
    command.args(["verify", "-", "--output", "json"]).env("TOKENRY_ROTATION__ON_REUSE", "revoke");
    let assert = command.write_stdin(old.clone()).assert().code(5).stdout("");
    let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    let problem: serde_json::Value = serde_json::from_str(&err).expect("a problem document");
    assert_eq!(problem["code"], "revoked_token", "{problem}");
    let status = || folder.json(&format!("token show {id}"))["status"].clone();
    assert_eq!(status(), "active");
    let failures = folder.json(&format!("audit list --token {id} --kind auth.request.failed"));
    assert_eq!(failures["data"], serde_json::json!([]));
    // The control: presenting it to a server with this setting is a use.
    let url = format!("sqlite://{}", folder.path("tokenry.db").display());
    let store = Store::open(&url.parse().expect("a database"), StoreSettings::default()).expect("a store");
    let strict = Settings::default().with_policy(Policy::default().with_on_reuse(ReusePolicy::Revoke));
    let server = Tokenry::new(store, strict).expect("a service");
    assert!(server.verify_blocking(old.as_bytes(), clock::now(), None).is_err());
    let is_revoked = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        server.find_token(&ago(0), id).expect("the token").0.revoked.is_some()
    });
    assert!(is_revoked);
}

#[test]
fn no_command_takes_a_token_as_an_argument() {
    for command in ["verify", "inspect", "revoke"] {
        let (code, out, err) = with_input(&Folder::new(), &format!("{command} pat_hunter2"), "");
        assert!(code != 0 && out.is_empty() && !err.contains("hunter2"), "{err}");
    }
    let (folder, _) = with_token("");
    for command in ["verify", "inspect", "revoke"] {
        let (code, _, err) = with_input(&folder, &format!("{command} pat_hunter2"), "");
        assert!(code == 2 && err.contains("standard input") && !err.contains("hunter2"), "{err}");
    }
}
