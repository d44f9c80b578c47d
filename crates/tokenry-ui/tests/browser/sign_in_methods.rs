//! Other sign-in methods: the JWT of another application, and a trusted proxy.

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

/// The script of the host that exchanges its user's JWT; returns the status of the answer.
const EXCHANGE: &str = "return fetch(arguments[0], {
    method: 'POST', headers: { Authorization: `Bearer ${arguments[1]}`, 'X-Tokenry-Request': '1' },
}).then(answer => answer.status)";

/// Accepts JWTs of one issuer and creates unknown users.
fn with_jwts() -> Site {
    Site::with(embed::MOUNT, |settings| {
        let issuer = JwtIssuer::new(ISSUER.to_owned(), vec!["tokenry".to_owned()], JwtAlgorithm::Hs256);
        let keys = JwtKeys::Secret(SECRET.to_vec().into());
        settings.sign_in = Some(SignIn::new(
            Arc::new(JwtVerifier::new(vec![(issuer, keys)]).unwrap()),
            vec![
                IssuerMapping::new(ISSUER.to_owned())
                    .with_name_claim("name".to_owned())
                    .with_creates_users(true),
            ],
        ));
    })
}

/// The JWT of a user, valid for `seconds` from now.
fn jwt(subject: &str, name: &str, seconds: i64) -> String {
    let now = clock::now().seconds();
    let claims = json!({
        "iss": ISSUER, "aud": "tokenry", "sub": subject, "name": name, "iat": now - 900, "exp": now + seconds,
    });
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// Opens a page of the host, which does not belong to Tokenry, and exchanges the JWT there.
fn exchange(visit: &Visit, jwt: &str) -> Value {
    let whole = visit.site.url("");
    let host = whole.strip_suffix(&format!("{}/", embed::MOUNT)).unwrap();
    visit.browser.run(visit.browser.driver().goto(format!("{host}/host")));
    visit.read("body", "The host");
    visit.eval(EXCHANGE, &[json!(visit.site.url("session")), json!(jwt)])
}

#[test]
fn a_jwt_exchanged_by_the_host_signs_its_user_in() {
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
    // An unknown user of the issuer is created and replaces the signed-in user.
    assert_eq!(exchange(&visit, &self::jwt("carol", "Carol", 300)), 201);
    visit.open("");
    visit.read("@who", "Carol");
    visit.see("@empty");
}

#[test]
fn a_session_by_jwt_can_create_a_token_that_a_session_by_token_cannot() {
    let Some(visit) = Visit::of(with_jwts) else { return };
    let site = &visit.site;
    let (short, _) = site.issue(
        &site.user("alice"),
        NewToken::new("short")
            .with_scopes(["tokens:write", "projects:read"].map(str::to_owned).to_vec())
            .with_expiry(Expiry::In(Lifetime::seconds(12 * 3600))),
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
fn an_expired_or_forged_jwt_opens_no_session() {
    let Some(visit) = Visit::of(with_jwts) else { return };
    let good = jwt("alice", "Alice", 300);
    let (start, _) = good.rsplit_once('.').unwrap();
    for wrong in [jwt("alice", "Alice", -600), format!("{start}.{}", "A".repeat(43)), format!("{start}.")] {
        assert_eq!(exchange(&visit, &wrong), 401, "{wrong}");
        visit.open("");
        visit.see("@token[type=password]");
    }
}

/// Trusts a proxy on this machine, which names users created by an operator.
fn behind_proxy() -> Site {
    let http = HttpSettings::default()
        .with_trusted_proxies(TrustedProxies::new(IpList::parse(&["127.0.0.1"]).unwrap()))
        .with_proxy_sign_in(ProxySignIn::new("X-Forwarded-User", "sso:", false).unwrap());
    Site::behind("", http, |_| {})
}

/// Adds the proxy's header with this user to every request.
fn named(visit: &Visit, user: &str) {
    visit.cdp("Network.enable", json!({}));
    visit.cdp("Network.setExtraHTTPHeaders", json!({ "headers": { "X-Forwarded-User": user } }));
}

#[test]
fn a_user_named_by_a_trusted_proxy_signs_in_with_one_button() {
    let Some(visit) = Visit::of(behind_proxy) else { return };
    let site = &visit.site;
    site.token(&site.user("sso:alice"), "hers", &["projects:read"]);
    site.token(&site.user("alice"), "another's", &["projects:read"]);
    named(&visit, "alice");
    // The header of the proxy alone is no session: the user must press the button.
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
fn another_user_in_the_same_browser_does_not_inherit_the_session() {
    let Some(visit) = Visit::of(behind_proxy) else { return };
    let site = &visit.site;
    site.token(&site.user("sso:alice"), "hers", &["projects:read"]);
    named(&visit, "alice");
    visit.open("sign-in");
    visit.click("@sign-in-proxy");
    visit.read("@token @name", "hers");

    // On the open page, then on the next one.
    named(&visit, "bob");
    visit.click("@tab-active");
    visit.read("@session-ended", "Your session has ended");
    visit.open("");
    visit.see("@token[type=password]");
    assert_eq!(visit.count("@token @name"), 0);
    // This user does not exist.
    visit.click("@sign-in-proxy");
    visit.read("@proxy-error", "You do not have an account here");
    assert!(visit.holds("location.pathname === '/sign-in'"));
    assert!(site.tokenry.find_user_by_subject(&site.operator(), "sso:bob").is_err());
    // A header with several users, or none, is also reported.
    named(&visit, "alice, bob");
    visit.click("@sign-in-proxy");
    visit.read("@proxy-error", "contains a list");
    named(&visit, "");
    visit.click("@sign-in-proxy");
    visit.read("@proxy-error", "did not provide your identity");
}

#[test]
fn proxy_and_jwt_sign_in_are_neither_offered_nor_accepted_unless_configured() {
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
