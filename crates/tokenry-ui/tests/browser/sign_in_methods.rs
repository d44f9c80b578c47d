//! The other ways in: the JWT of an application that sends people here, and a proxy that knows who they are.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokenry_actix::{
    HttpSettings, ProxySignIn, TrustedProxies, clock,
    tokenry::{
        Expiry, IpList, IssuerMapping, JwtAlgorithm, JwtIssuer, JwtKeys, JwtVerifier, Lifetime, NewToken,
        SignIn,
    },
};

use crate::{embed, secret, site::Site, visit::Visit};

const ISSUER: &str = "https://id.example.com";
const SECRET: &[u8] = b"a secret that only the tests know";

/// What a script of the host does with the JWT that it has for its user; gives the status of the answer.
const EXCHANGE: &str = "return fetch(arguments[0], {
    method: 'POST', headers: { Authorization: `Bearer ${arguments[1]}`, 'X-Tokenry-Request': '1' },
}).then(answer => answer.status)";

/// Takes JWTs of one issuer; whom they name first becomes a user.
fn with_jwts() -> Site {
    Site::with(embed::MOUNT, |settings| {
        let issuer = JwtIssuer::new(ISSUER.to_owned(), vec!["tokenry".to_owned()], JwtAlgorithm::Hs256);
        let keys = JwtKeys::Secret(SECRET.to_vec().into());
        settings.sign_in = Some(SignIn {
            verifier: Arc::new(JwtVerifier::new(vec![(issuer, keys)]).unwrap()),
            issuers: vec![IssuerMapping {
                issuer: ISSUER.to_owned(),
                subject_prefix: String::new(),
                name_claim: Some("name".to_owned()),
                role_claim: None,
                roles: Vec::new(),
                default_role: None,
                creates_users: true,
            }],
            key_refresh: None,
        });
    })
}

/// The JWT of a user; good for so many seconds from now.
fn jwt(subject: &str, name: &str, seconds: i64) -> String {
    let now = clock::now().seconds();
    let claims = json!({
        "iss": ISSUER, "aud": "tokenry", "sub": subject, "name": name, "iat": now - 900, "exp": now + seconds,
    });
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// Goes to the page of the host, which is not one of Tokenry's, and exchanges the JWT there.
fn exchange(visit: &Visit, jwt: &str) -> Value {
    let whole = visit.site.url("");
    let host = whole.strip_suffix(&format!("{}/", embed::MOUNT)).unwrap();
    visit.browser.run(visit.browser.driver().goto(format!("{host}/host")));
    visit.read("body", "The host");
    visit.eval(EXCHANGE, &[json!(visit.site.url("session")), json!(jwt)])
}

#[test]
fn a_jwt_that_the_host_exchanges_shows_its_users_tokens_without_another_sign_in() {
    let Some(visit) = Visit::of(with_jwts) else { return };
    let (alice, site) = (visit.site.user("alice"), &visit.site);
    site.token(&alice, "hers", &["projects:read"]);
    site.token(&site.user("bob"), "his", &["projects:read"]);
    visit.open("sign-in");
    visit.see("@jwt-hint");
    let jwt = jwt("alice", "Alice", 300);
    assert_eq!(exchange(&visit, &jwt), 201);
    visit.open("");
    visit.read("@token @name", "hers");
    visit.counts("@token", 1);
    visit.read("@who", "alice");
    visit.click("@account summary");
    visit.read("@signed-in-as", "a JWT");
    secret::is_nowhere(&visit, &jwt);
    assert_eq!(visit.violations(), Vec::<String>::new());
    // Whom the issuer names first becomes a user, in place of whoever was signed in.
    assert_eq!(exchange(&visit, &self::jwt("carol", "Carol", 300)), 201);
    visit.open("");
    visit.read("@who", "Carol");
    visit.see("@empty");
}

#[test]
fn a_session_by_jwt_makes_a_token_that_outlives_any_that_a_session_by_token_could_make() {
    let Some(visit) = Visit::of(with_jwts) else { return };
    let site = &visit.site;
    let (short, _) = site.issue(
        &site.user("alice"),
        NewToken {
            name: "short".to_owned(),
            scopes: Some(["tokens:write", "projects:read"].map(str::to_owned).to_vec()),
            expiry: Some(Expiry::In(Lifetime::seconds(12 * 3600))),
            ..NewToken::default()
        },
    );
    let form = "create?name=long&scopes=projects:read&expires_in_days=365";
    visit.sign_in(&short);
    visit.open(form);
    visit.see("@create-form");
    visit.counts("@expiry-365:disabled", 1);
    visit.cdp("Network.clearBrowserCookies", json!({}));

    assert_eq!(exchange(&visit, &jwt("alice", "Alice", 300)), 201);
    visit.open(form);
    visit.see("@create-form");
    visit.counts("@expiry-365:checked:not(:disabled)", 1);
    visit.counts("@expiry-own", 0);
    visit.click("@create");
    visit.see("@secret-dialog");
    let made = site.get("api/v1/token", &visit.value("@secret"));
    let end = made["expires_at"].as_str().unwrap();
    let year = clock::now().checked_add(Lifetime::days(364)).unwrap().to_string();
    assert!(end > year.as_str(), "{end} {year}");
    assert_eq!(made["user_id"], site.user("alice").id.to_string(), "{made}");
}

#[test]
fn a_jwt_that_is_over_or_made_up_opens_nothing() {
    let Some(visit) = Visit::of(with_jwts) else { return };
    let good = jwt("alice", "Alice", 300);
    let (most, _) = good.rsplit_once('.').unwrap();
    for wrong in [jwt("alice", "Alice", -600), format!("{most}.{}", "A".repeat(43)), format!("{most}.")] {
        assert_eq!(exchange(&visit, &wrong), 401, "{wrong}");
        visit.open("");
        visit.see("@token[type=password]");
    }
}

/// Behind a proxy on this machine, which names users whom an operator has made.
fn behind_proxy() -> Site {
    let http = HttpSettings {
        trusted_proxies: TrustedProxies::new(IpList::parse(&["127.0.0.1"]).unwrap()),
        proxy_sign_in: Some(ProxySignIn::new("X-Forwarded-User", "sso:", false).unwrap()),
        ..HttpSettings::default()
    };
    Site::behind("", http, |_| {})
}

/// From now on every request says what a proxy would say of this user.
fn named(visit: &Visit, user: &str) {
    visit.cdp("Network.enable", json!({}));
    visit.cdp("Network.setExtraHTTPHeaders", json!({ "headers": { "X-Forwarded-User": user } }));
}

#[test]
fn whom_a_trusted_proxy_names_signs_in_with_one_button_and_sees_their_own_tokens() {
    let Some(visit) = Visit::of(behind_proxy) else { return };
    let site = &visit.site;
    site.token(&site.user("sso:alice"), "hers", &["projects:read"]);
    site.token(&site.user("alice"), "another's", &["projects:read"]);
    named(&visit, "alice");
    // The word of the proxy alone is no session: somebody has to press the button.
    visit.open("");
    visit.see("@token[type=password]");
    visit.click("@sign-in-proxy");
    visit.read("@token @name", "hers");
    visit.counts("@token", 1);
    visit.click("@account summary");
    visit.read("@signed-in-as", "the proxy");
    assert_eq!(visit.violations(), Vec::<String>::new());
}

#[test]
fn another_person_at_the_same_browser_gets_nothing_of_the_session_and_is_told() {
    let Some(visit) = Visit::of(behind_proxy) else { return };
    let site = &visit.site;
    site.token(&site.user("sso:alice"), "hers", &["projects:read"]);
    named(&visit, "alice");
    visit.open("sign-in");
    visit.click("@sign-in-proxy");
    visit.read("@token @name", "hers");

    // On the page that is open already, then on the next.
    named(&visit, "bob");
    visit.click("@tab-active");
    visit.read("@session-ended", "Your session has ended");
    visit.open("");
    visit.see("@token[type=password]");
    assert_eq!(visit.count("@token @name"), 0);
    // Nobody has made a user of them.
    visit.click("@sign-in-proxy");
    visit.read("@proxy-error", "you have no account here");
    assert!(visit.holds("location.pathname === '/sign-in'"));
    assert!(site.tokenry.find_user_by_subject(&site.operator(), "sso:bob").is_err());
    // One that names several, or nobody, is told as well.
    named(&visit, "alice, bob");
    visit.click("@sign-in-proxy");
    visit.read("@proxy-error", "holds a list");
    named(&visit, "");
    visit.click("@sign-in-proxy");
    visit.read("@proxy-error", "did not say who you are");
}

#[test]
fn without_a_proxy_or_an_issuer_neither_is_offered_nor_believed() {
    let Some(visit) = Visit::start() else { return };
    let site = &visit.site;
    site.token(&site.user("alice"), "hers", &["projects:read"]);
    named(&visit, "alice");
    visit.open("sign-in");
    visit.see("@sign-in");
    visit.settle();
    assert_eq!(visit.count("@sign-in-proxy, @jwt-hint"), 0);
    let asked = "return fetch('session', { method: 'POST', headers: { 'X-Tokenry-Request': '1' } }).then(answer => answer.status)";
    assert_eq!(visit.eval(asked, &[]), 401);
    let address = json!(visit.site.url("session"));
    assert_eq!(visit.eval(EXCHANGE, &[address, json!(jwt("alice", "Alice", 300))]), 401);
    visit.open("");
    visit.see("@token[type=password]");
}
