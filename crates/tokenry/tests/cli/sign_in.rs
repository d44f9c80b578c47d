//! A server that accepts the JWTs of an issuer.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{folder::Folder, server::Server};

const SECRET: &str = "a shared secret of more than 32 bytes";

const CONFIG: &str = r#"
[catalog]
default_scopes = ["projects:read"]
[[catalog.resources]]
name = "projects"
levels = ["read", "write"]
[[catalog.roles]]
name = "user"
scopes = ["projects:write", "tokens:write"]
[[catalog.roles]]
name = "admin"
scopes = ["*"]

[[issuers]]
issuer = "https://login.test"
audiences = ["tokenry"]
algorithm = "HS256"
secret_file = "issuer-secret"
subject_prefix = "login:"
name_claim = "profile.name"
role_claim = "groups"
roles = { "operators" = "admin" }
create_users = true
"#;

/// A server with this issuer in its configuration.
fn start(folder: &Folder) -> Server {
    std::fs::write(folder.path("tokenry.toml"), CONFIG).expect("a configuration");
    std::fs::write(folder.path("issuer-secret"), format!("{SECRET}\n")).expect("a secret");
    Server::start(folder)
}

/// Valid claims that expire in 5 minutes, with these changes; `null` removes a claim.
fn claims(changes: &Value) -> Value {
    let now = tokenry_actix::clock::now().seconds();
    let mut claims = json!({
        "iss": "https://login.test", "aud": "tokenry", "sub": "ada", "iat": now, "exp": now + 300,
        "profile": {"name": "Ada"},
    });
    let all = claims.as_object_mut().expect("an object");
    all.extend(changes.as_object().expect("an object").clone());
    all.retain(|_, value| !value.is_null());
    claims
}

fn jwt(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn good(changes: &Value) -> String {
    jwt(&json!({"alg": "HS256", "typ": "JWT"}), &claims(changes), SECRET)
}

#[test]
fn a_user_with_a_jwt_creates_a_working_token() {
    let folder = Folder::new();
    let server = start(&folder);
    let ada = good(&json!({}));
    let (status, me) = server.send("GET", "/api/v1/me", &ada, "");
    assert_eq!(status, 200, "{me}");
    let seen = ["credential", "subject", "name", "role"].map(|key| me[key].as_str().unwrap_or_default());
    assert_eq!(seen, ["jwt", "login:ada", "Ada", "user"]);

    let (status, made) = server.send("POST", "/api/v1/tokens", &ada, r#"{"name": "ci"}"#);
    assert_eq!((status, &made["scopes"]), (201, &json!(["projects:read"])), "{made}");
    let secret = made["token"].as_str().expect("the plaintext");
    let (status, me) = server.send("GET", "/api/v1/me", secret, "");
    assert_eq!((status, &me["credential"], &me["subject"]), (200, &json!("pat"), &json!("login:ada")));

    // The catalog of the file applies to every caller.
    let wrong = r#"{"name": "x", "scopes": ["projects:admin"]}"#;
    assert_eq!(server.send("POST", "/api/v1/tokens", &ada, wrong).0, 422);
    assert_eq!(server.send("GET", "/api/v1/users", &ada, "").0, 403);
    let operator = good(&json!({"sub": "grace", "groups": ["staff", "operators"]}));
    assert_eq!(server.send("GET", "/api/v1/users", &operator, "").0, 200);
}

#[test]
fn a_jwt_with_wrong_claims_or_signature_is_rejected() {
    let folder = Folder::new();
    let server = start(&folder);
    let now = tokenry_actix::clock::now().seconds();
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    let unsigned = jwt(&json!({"alg": "none", "typ": "JWT"}), &claims(&json!({})), SECRET);
    let stripped = unsigned.rsplit_once('.').map(|(message, _)| format!("{message}.")).expect("three parts");
    for (what, credential) in [
        ("wrong audience", good(&json!({"aud": "another"}))),
        ("no audience", good(&json!({"aud": null}))),
        ("wrong issuer", good(&json!({"iss": "https://login.test/"}))),
        ("expired", good(&json!({"exp": now - 60}))),
        ("never expires", good(&json!({"exp": null}))),
        ("exp as text", good(&json!({"exp": (now + 300).to_string()}))),
        ("not yet valid", good(&json!({"nbf": now + 120}))),
        ("no subject", good(&json!({"sub": null}))),
        ("wrong type", jwt(&json!({"alg": "HS256", "typ": "dpop+jwt"}), &claims(&json!({})), SECRET)),
        ("other secret", jwt(&hs256, &claims(&json!({})), "another secret of more than 32 bytes")),
        ("other algorithm", jwt(&json!({"alg": "HS512", "typ": "JWT"}), &claims(&json!({})), SECRET)),
        ("alg none", unsigned),
        ("alg none without a signature", stripped),
    ] {
        let (status, body) = server.send("GET", "/api/v1/me", &credential, "");
        assert_eq!(status, 401, "{what}: {body}");
        assert!(!body.to_string().contains("login.test"), "{what}");
    }
    // None of them created a user.
    assert_eq!(folder.json("user list")["data"].as_array().map(Vec::len), Some(1));
}

/// Two Ed25519 keys whose private halves were discarded, and a token of each that is valid until 2100.
const KEYS: [(&str, &str); 2] = [
    ("one", "own07M5XkLSGnrNJIE185eROCzk6sU4fUnLOkE90iRg"),
    ("two", "72XQlcDbacdWk83a4_W--erkx8axZGmyhPDKem703HU"),
];
const TOKENS: [&str; 2] = [
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJpc3N1ZXIiLCJhdWQiOiJ0b2tlbnJ5Iiwic3ViIjoidSIsImV4cCI6NDEwMjQ0NDgwMH0.ML4qthvOP0Kd3D_9eatWH4ix480yYaqy_K2RJ9OthSjh14F6XMULcNJqzMKwnSKzX4Zu07AoIAC1Z90M9DmeBg",
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6InR3byJ9.eyJpc3MiOiJpc3N1ZXIiLCJhdWQiOiJ0b2tlbnJ5Iiwic3ViIjoidSIsImV4cCI6NDEwMjQ0NDgwMH0.bcRzrzMipAQUNTKrWObjbhWRzauwlvnRrir0UKeE5LyxBIu9fIcWUQRSRddtyzoCmaaLB5mUgVh9Sq2ydC9DCA",
];

#[test]
fn keys_are_fetched_again_when_a_token_names_a_new_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    // The first answer has the first key, every later one the second.
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let (mut stream, (id, x)) = (stream, KEYS[count.min(1)]);
            let body = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x}]}).to_string();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    let folder = Folder::new();
    let config = format!(
        "[[issuers]]\nissuer = \"issuer\"\naudiences = [\"tokenry\"]\nalgorithm = \"EdDSA\"\njwks_url = \"{url}\"\n\
         create_users = true\n"
    );
    std::fs::write(folder.path("tokenry.toml"), config).expect("a configuration");
    let server = Server::start(&folder);
    for token in TOKENS {
        // A request waits for its key; a slow issuer makes it 503, but its token is never called invalid.
        let statuses = (0..20).map(|_| server.send("GET", "/api/v1/me", token, "").0);
        let last =
            statuses.inspect(|status| assert!([200, 503].contains(status), "{status}")).find(|it| *it == 200);
        assert!(last.is_some(), "the keys did not arrive");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "it is about how long something takes")]
fn a_flood_of_unknown_keys_causes_one_fetch_and_delays_no_other_issuer() {
    // The first request is answered, all later ones hang.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                let (id, x) = KEYS[0];
                let body = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x}]}).to_string();
                let _ = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            } else {
                held.push(stream);
            }
        }
    });
    let folder = Folder::new();
    let config = format!(
        "[[issuers]]\nissuer = \"issuer\"\naudiences = [\"tokenry\"]\nalgorithm = \"EdDSA\"\njwks_url = \"{url}\"\n\
         create_users = true\n"
    );
    std::fs::write(folder.path("tokenry.toml"), config).expect("a configuration");
    let server = Server::start(&folder);
    let me = |token| server.send("GET", "/api/v1/me", token, "").0;
    assert!((0..20).any(|_| me(TOKENS[0]) == 200), "the keys did not arrive");
    std::thread::scope(|scope| {
        let flood: Vec<_> = (0..40).map(|_| scope.spawn(|| me(TOKENS[1]))).collect();
        for _ in 0..20 {
            let start = std::time::Instant::now();
            assert_eq!(me(TOKENS[0]), 200);
            assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
        }
        for waiting in flood {
            assert_eq!(waiting.join().expect("an answer"), 503, "it is not yet known whether the key exists");
        }
    });
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst) <= 3, "{asked:?}");
}
