//! JWTs of configured issuers: which user they identify, and what they may do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{at, issue, operator, settings, user, verify};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokenry_service::{
    Caller, ClientInfo, CredentialKind, Expiry, IssuerMapping, JwtAlgorithm, JwtIssuer, JwtKeys, JwtVerifier,
    KeyRefresh, KeyRefreshStatus, Lifetime, Limits, NewUser, Policy, Rejection, RequestContext, Scope,
    SignIn, Tokenry, UserChanges, VerifyError,
};
use tokenry_testkit::{TestDatabase, each_backend};

const SECRET: &[u8] = b"a secret that only the tests know";

fn mapping() -> IssuerMapping {
    IssuerMapping::new("https://id.example.com")
        .with_subject_prefix("id|".to_owned())
        .with_name_claim("profile.name".to_owned())
        .with_role_claim("groups".to_owned())
        .with_roles(vec![
            ("Staff".to_owned(), "user".parse().unwrap()),
            ("Root".to_owned(), "admin".parse().unwrap()),
        ])
        .with_creates_users(true)
}

fn new_role(name: &str) -> UserChanges {
    UserChanges::default().with_role(name.parse::<tokenry_service::Role>().unwrap())
}

fn service(db: &TestDatabase, mapping: IssuerMapping) -> Tokenry {
    let issuer = JwtIssuer::new(mapping.issuer.clone(), vec!["tokenry".to_owned()], JwtAlgorithm::Hs256);
    let verifier = JwtVerifier::new(vec![(issuer, JwtKeys::Secret(SECRET.to_vec().into()))]).unwrap();
    let sign_in = SignIn::new(Arc::new(verifier), vec![mapping]);
    let limits = Limits::unlimited();
    let policy = Policy::default().with_limits(limits);
    let settings = settings(policy).with_sign_in(sign_in);
    Tokenry::new(db.store().clone(), settings).unwrap()
}

/// Issued at `seconds`, valid for five minutes.
fn claims(subject: &str, groups: &[&str], seconds: i64) -> Value {
    let issued = at(seconds).seconds();
    json!({
        "iss": "https://id.example.com", "aud": "tokenry", "sub": subject, "groups": groups,
        "profile": {"name": "Alice"}, "iat": issued, "exp": issued + 300,
    })
}

fn signed(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

fn sign_in(tokenry: &Tokenry, jwt: &str, seconds: i64) -> Result<Caller, VerifyError> {
    assert!(tokenry.is_jwt(jwt.as_bytes()));
    tokenry.sign_in(jwt.as_bytes(), at(seconds), &ClientInfo::default())
}

fn come(tokenry: &Tokenry, groups: &[&str], issued: i64, seconds: i64) -> Caller {
    sign_in(tokenry, &signed(&claims("alice", groups, issued)), seconds).unwrap()
}

fn role(caller: &Caller) -> &str {
    caller.user().unwrap().role.as_str()
}

fn may(caller: &Caller, scope: &str) -> bool {
    caller.require(&scope.parse::<Scope>().unwrap()).is_ok()
}

fn rejection(outcome: Result<Caller, VerifyError>) -> Rejection {
    match outcome.map(|_| ()).unwrap_err() {
        VerifyError::Rejected(rejection) => rejection,
        error => panic!("{error}"),
    }
}

each_backend!(a_user_is_created_at_the_first_request_with_the_claimed_name_and_role, |db| {
    let tokenry = service(db, mapping());
    let caller = come(&tokenry, &["Root", "Staff", "Other"], 10, 11);
    assert_eq!(caller.credential(), CredentialKind::Jwt);
    let user = caller.user().unwrap();
    assert_eq!((user.subject.as_str(), user.name.as_str(), role(&caller)), ("id|alice", "Alice", "admin"));
    assert!(may(&caller, "admin:write"));
    let again = come(&tokenry, &["Root"], 10, 12);
    assert_eq!(again.user().unwrap(), user);
    let nobody = sign_in(&tokenry, &signed(&claims("bob", &["Other"], 10)), 12).unwrap();
    assert_eq!(role(&nobody), "user", "a claim that names no role gives the lowest role");
});

each_backend!(parallel_first_requests_create_one_user, |db| {
    let tokenry = service(db, mapping());
    let ids: Vec<_> = std::thread::scope(|scope| {
        let ask = || come(&tokenry, &["Staff"], 10, 11).user().unwrap().id;
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
});

each_backend!(an_unknown_user_is_rejected_unless_the_issuer_may_create_users, |db| {
    let tokenry = service(db, mapping().with_creates_users(false));
    let jwt = signed(&claims("alice", &["Root"], 10));
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 11)), Rejection::Unknown);
    user(&tokenry, "id|alice", "user");
    assert!(sign_in(&tokenry, &jwt, 11).is_ok());
});

each_backend!(an_unreadable_role_claim_is_not_treated_as_an_empty_one, |db| {
    let tokenry = service(db, mapping().with_default_role("admin".parse::<tokenry_service::Role>().unwrap()));
    let with = |groups: Value| {
        let mut claims = claims("alice", &[], 10);
        claims["groups"] = groups;
        sign_in(&tokenry, &signed(&claims), 11)
    };
    for unreadable in [json!(5), json!(true), json!({"Staff": true}), json!(["Staff", 5]), json!([["Staff"]])]
    {
        assert_eq!(rejection(with(unreadable.clone())), Rejection::Unknown, "{unreadable}");
    }
    assert_eq!(role(&with(json!("Staff")).unwrap()), "user");
    assert_eq!(role(&with(json!(null)).unwrap()), "user", "the stored role, limited by the claimed role");
    for none in [json!([]), json!(["Others"])] {
        assert!(with(none).is_ok());
    }
});

each_backend!(a_newer_jwt_sets_the_role_and_an_older_one_cannot_revert_it, |db| {
    let tokenry = service(db, mapping());
    let caller = come(&tokenry, &["Root"], 10, 11);
    let id = caller.user().unwrap().id;
    let (_, text) = issue(&tokenry, caller.user().unwrap(), &["*"]);
    let admin: Scope = "admin:write".parse().unwrap();
    assert!(verify(&tokenry, &text, 12).unwrap().grants(&admin));
    // A demotion by the issuer applies at once to every token of the user.
    assert_eq!(role(&come(&tokenry, &["Staff"], 20, 21)), "user");
    assert!(!verify(&tokenry, &text, 22).unwrap().grants(&admin));
    let old = come(&tokenry, &["Root"], 15, 23);
    assert!(role(&old) == "user" && !may(&old, "admin:read"), "issued before the demotion");
    // Earlier JWTs do not undo a local demotion.
    assert_eq!(role(&come(&tokenry, &["Root"], 30, 31)), "admin");
    tokenry.update_user(&operator(40), id, new_role("user")).unwrap();
    let held = come(&tokenry, &["Root"], 35, 41);
    assert!(role(&held) == "user" && !may(&held, "admin:read"));
    let lower = come(&tokenry, &["Staff"], 32, 42);
    assert!(!may(&lower, "admin:read"));
});

each_backend!(while_claimed_and_stored_role_differ_only_their_intersection_is_allowed, |db| {
    let tokenry = service(db, mapping());
    let caller = come(&tokenry, &["Staff"], 10, 11);
    let id = caller.user().unwrap().id;
    tokenry.update_user(&operator(20), id, new_role("admin")).unwrap();
    let staff = come(&tokenry, &["Staff"], 15, 21);
    assert_eq!(role(&staff), "admin");
    assert!(may(&staff, "a:write") && !may(&staff, "admin:read"));
});

each_backend!(without_a_role_claim_roles_are_managed_in_tokenry_only, |db| {
    let tokenry = service(db, mapping().with_role_claim(None));
    let caller = come(&tokenry, &["Root"], 10, 11);
    assert_eq!(role(&caller), "user");
    let id = caller.user().unwrap().id;
    tokenry.update_user(&operator(20), id, new_role("admin")).unwrap();
    assert!(may(&come(&tokenry, &[], 100, 101), "admin:write"));
});

each_backend!(a_disabled_user_is_rejected_by_jwt, |db| {
    let tokenry = service(db, mapping());
    let id = come(&tokenry, &["Root"], 10, 11).user().unwrap().id;
    tokenry.update_user(&operator(12), id, UserChanges::default().with_disabled(true)).unwrap();
    let jwt = signed(&claims("alice", &["Root"], 100));
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 101)), Rejection::OwnerDisabled);
});

each_backend!(every_invalid_jwt_gets_the_same_rejection_and_creates_no_user, |db| {
    let tokenry = service(db, mapping());
    let changed = |name: &str, value: Value| {
        let mut claims = claims("alice", &["Root"], 10);
        claims[name] = value;
        signed(&claims)
    };
    let good = signed(&claims("alice", &["Root"], 10));
    let (head, audit) = good.rsplit_once('.').unwrap();
    let other_key = EncodingKey::from_secret(b"another secret of thirty-two bytes");
    for jwt in [
        changed("aud", json!("other")),
        changed("iss", json!("https://evil.example.com")),
        changed("exp", json!("9999999999")),
        changed("sub", json!("")),
        changed("nbf", json!(at(1000).seconds())),
        encode(&Header::new(Algorithm::HS256), &claims("alice", &["Root"], 10), &other_key).unwrap(),
        encode(
            &Header::new(Algorithm::HS384),
            &claims("alice", &["Root"], 10),
            &EncodingKey::from_secret(SECRET),
        )
        .unwrap(),
        format!("{head}.{}", audit.chars().rev().collect::<String>()),
    ] {
        assert_eq!(rejection(sign_in(&tokenry, &jwt, 11)), Rejection::Unknown);
    }
    assert_eq!(rejection(sign_in(&tokenry, &good, 10_000)), Rejection::Expired);
    assert!(tokenry.find_user_by_subject(&operator(11), "id|alice").is_err());
});

each_backend!(a_credential_is_treated_as_token_or_jwt_and_never_as_both, |db| {
    let tokenry = service(db, mapping());
    let jwt = signed(&claims("alice", &["Root"], 10));
    let dressed = format!("test_pat_{jwt}");
    assert!(!tokenry.is_jwt(dressed.as_bytes()));
    for text in [&jwt, &dressed] {
        let outcome = verify(&tokenry, text, 11);
        assert!(matches!(outcome, Err(VerifyError::Rejected(Rejection::Malformed(_)))));
    }
    let without = Tokenry::new(db.second_store(), settings(Policy::default())).unwrap();
    assert!(!without.is_jwt(jwt.as_bytes()));
});

/// A key source with configured answers that records which issuers were requested.
#[derive(Default)]
struct Refresh {
    asked: Mutex<Vec<String>>,
    status: Mutex<Option<KeyRefreshStatus>>,
}

impl Refresh {
    fn answers(&self, status: KeyRefreshStatus) {
        *self.status.lock().unwrap() = Some(status);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl KeyRefresh for Refresh {
    fn refresh(&self, issuer: &str) -> KeyRefreshStatus {
        self.asked.lock().unwrap().push(issuer.to_owned());
        self.status.lock().unwrap().take().unwrap_or(KeyRefreshStatus::Current)
    }
}

each_backend!(an_unknown_key_is_requested_from_its_issuer_only_and_the_jwt_is_not_rejected_meanwhile, |db| {
    let rules = |name: String| JwtIssuer::new(name, vec!["tokenry".to_owned()], JwtAlgorithm::Rs256);
    let both = [mapping().issuer, "https://other.example.com".to_owned()];
    let pending = both.clone().map(|name| (rules(name), JwtKeys::Pending)).into();
    let verifier = Arc::new(JwtVerifier::new(pending).unwrap());
    let refresh = Arc::new(Refresh::default());
    let accepted = SignIn::new(verifier.clone(), vec![mapping(), mapping().with_issuer(both[1].clone())])
        .with_key_refresh(refresh.clone());
    let settings = settings(Policy::default()).with_sign_in(accepted);
    let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let of = |key: &str, algorithm: &str| {
        let head = part(json!({"alg": algorithm, "typ": "JWT", "kid": key}));
        format!("{head}.{}.AAAA", part(claims("alice", &[], 10)))
    };
    let jwt = of("new", "RS256");
    let arrival = |jwt: &str| tokenry.key_arrival(jwt.as_bytes());
    let pending = || KeyRefreshStatus::Pending(Box::pin(std::future::ready(())));

    // Without any keys the JWT is not rejected; there is an arrival to wait for.
    assert!(matches!(sign_in(&tokenry, &jwt, 11), Err(VerifyError::KeysUnavailable)));
    refresh.answers(pending());
    assert!(arrival(&jwt).is_some());
    assert_eq!(refresh.asked(), [mapping().issuer]);

    let modulus = URL_SAFE_NO_PAD.encode([0xc5; 256]);
    let keys = json!({"keys": [{"kty": "RSA", "kid": "old", "n": modulus, "e": "AQAB"}]});
    verifier.replace_keys(&mapping().issuer, &keys.to_string()).unwrap();
    refresh.answers(pending());
    assert!(matches!(sign_in(&tokenry, &jwt, 11), Err(VerifyError::KeysUnavailable)), "the key may arrive");
    refresh.answers(KeyRefreshStatus::Unavailable);
    assert!(
        matches!(sign_in(&tokenry, &jwt, 11), Err(VerifyError::KeysUnavailable)),
        "without keys there is no decision"
    );
    refresh.answers(KeyRefreshStatus::Current);
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 11)), Rejection::Unknown);
    assert!(arrival(&jwt).is_none());
    assert!(refresh.asked().iter().all(|issuer| *issuer == mapping().issuer));

    // A known key, another algorithm and an unknown issuer cause no request.
    for jwt in [of("old", "RS256"), of("new", "HS256")] {
        assert_eq!(rejection(sign_in(&tokenry, &jwt, 11)), Rejection::Unknown);
        assert!(arrival(&jwt).is_none());
    }
    let head = part(json!({"alg": "RS256", "typ": "JWT", "kid": "new"}));
    let stranger = format!("{head}.{}.AAAA", part(json!({"iss": "https://evil.example.com"})));
    assert_eq!(rejection(sign_in(&tokenry, &stranger, 11)), Rejection::Unknown);
    assert_eq!(refresh.asked(), Vec::<String>::new());
});

each_backend!(a_jwt_caller_may_widen_a_token_that_a_token_may_not, |db| {
    let tokenry = service(db, mapping());
    let caller = come(&tokenry, &["Staff"], 10, 11);
    let (token, text) = issue(&tokenry, caller.user().unwrap(), &["tokens:write", "a:read"]);
    let more = || {
        tokenry_service::TokenChanges::default()
            .with_scopes(vec!["tokens:write".to_owned(), "a:write".to_owned()])
    };
    let by_token = RequestContext::new(verify(&tokenry, &text, 12).unwrap().into(), at(12));
    assert!(tokenry.update_token(&by_token, token.id, more()).is_err());
    tokenry.update_token(&RequestContext::new(caller.clone(), at(12)), token.id, more()).unwrap();
    let beyond = tokenry_service::TokenChanges::default().with_scopes(vec!["admin:read".to_owned()]);
    assert!(tokenry.update_token(&RequestContext::new(caller, at(13)), token.id, beyond).is_err());
});

each_backend!(a_jwt_below_the_stored_role_grants_only_its_own_role, |db| {
    let tokenry = service(db, mapping());
    let id = come(&tokenry, &["Staff"], 10, 11).user().unwrap().id;
    tokenry.update_user(&operator(20), id, new_role("admin")).unwrap();
    let weak = come(&tokenry, &["Staff"], 15, 21);
    let context = RequestContext::new(weak.clone(), at(21));
    for beyond in ["*", "admin:write", "admin:read", "introspect"] {
        let outcome = tokenry.issue_token(&context, id, common::new("t", &[beyond]));
        assert!(outcome.is_err(), "{beyond}");
        assert!(!tokenry.can_grant(&weak, &beyond.parse().unwrap()), "{beyond}");
    }
    let owner = tokenry.find_user(&operator(21), id).unwrap();
    for beyond in ["*", "admin:write"] {
        let (token, _) = issue(&tokenry, &owner, &[beyond]);
        assert!(
            tokenry.rotate_token(&context, token.id, tokenry_service::Rotation::default()).is_err(),
            "{beyond}"
        );
    }
    for wider in [
        tokenry_service::TokenChanges::default().with_allowed_ips(vec!["10.0.0.0/8".to_owned()]),
        tokenry_service::TokenChanges::default().with_expiry(Expiry::In(Lifetime::days(300))),
    ] {
        let bound = common::new("bound", &["*"]).with_allowed_ips(vec!["10.0.0.1".to_owned()]);
        let bound = tokenry.issue_token(&operator(0), id, bound).unwrap().token;
        assert!(
            tokenry.update_token(&context, bound.id, wider).is_err(),
            "not even a longer lifetime or more addresses"
        );
    }
    let (plain, _) = issue(&tokenry, &owner, &["a:read"]);
    let more = tokenry_service::TokenChanges::default().with_scopes(vec!["*".to_owned()]);
    assert!(tokenry.update_token(&context, plain.id, more).is_err());
    tokenry.rotate_token(&context, plain.id, tokenry_service::Rotation::default()).unwrap();
    tokenry.issue_token(&context, id, common::new("t", &["a:write"])).unwrap();
});

each_backend!(the_jwt_issued_later_wins_in_either_order, |db| {
    let tokenry = service(db, mapping());
    come(&tokenry, &["Staff"], 10, 11);
    come(&tokenry, &["Staff"], 105, 106);
    assert_eq!(role(&come(&tokenry, &["Root"], 100, 107)), "user", "an older JWT does not promote");
    come(&tokenry, &["Root"], 200, 208);
    assert_eq!(role(&come(&tokenry, &["Staff"], 205, 209)), "user", "a demotion is not lost");
    let mut undated = claims("alice", &["Root"], 300);
    undated.as_object_mut().unwrap().remove("iat");
    assert_eq!(rejection(sign_in(&tokenry, &signed(&undated), 301)), Rejection::Unknown);
});

each_backend!(a_deleted_user_cannot_return_with_an_earlier_jwt, |db| {
    let tokenry = service(db, mapping());
    let first = come(&tokenry, &["Staff"], 10, 11).user().unwrap().id;
    tokenry.delete_user(&operator(20), first).unwrap();
    let old = signed(&claims("alice", &["Staff"], 15));
    assert_eq!(rejection(sign_in(&tokenry, &old, 21)), Rejection::Unknown);
    let soon = signed(&claims("alice", &["Staff"], 45));
    assert_eq!(rejection(sign_in(&tokenry, &soon, 46)), Rejection::Unknown, "clocks differ");
    let again = come(&tokenry, &["Staff"], 60, 61).user().unwrap().id;
    tokenry.update_user(&operator(70), again, UserChanges::default().with_disabled(true)).unwrap();
    let renamed = UserChanges::default().with_subject("id|former".to_owned());
    tokenry.update_user(&operator(71), again, renamed).unwrap();
    let newer = signed(&claims("alice", &["Staff"], 150));
    assert_eq!(
        rejection(sign_in(&tokenry, &newer, 151)),
        Rejection::Unknown,
        "a disabled user cannot re-enable themselves"
    );
    user(&tokenry, "id|alice", "user");
    assert!(sign_in(&tokenry, &newer, 152).is_ok(), "an administrator re-enables the user");
});

each_backend!(a_user_created_locally_keeps_the_locally_assigned_role, |db| {
    let tokenry = service(db, mapping());
    let first = come(&tokenry, &["Root"], 10, 11).user().unwrap().id;
    tokenry.delete_user(&operator(20), first).unwrap();
    let role_user = NewUser::default().with_role("user".parse::<tokenry_service::Role>().unwrap());
    tokenry.create_user(&operator(21), "id|alice", role_user).unwrap();
    let old = signed(&claims("alice", &["Root"], 15));
    assert_eq!(
        rejection(sign_in(&tokenry, &old, 22)),
        Rejection::Unknown,
        "the JWT identified the former user"
    );
    assert_eq!(role(&come(&tokenry, &["Root"], 60, 61)), "admin");
});

each_backend!(a_disabled_user_is_not_reenabled_by_deleting_and_recreating_them, |db| {
    let tokenry = service(db, mapping());
    let (root, boss) = (user(&tokenry, "root", "admin"), user(&tokenry, "boss", "admin"));
    tokenry.update_user(&operator(1), boss.id, UserChanges::default().with_disabled(true)).unwrap();
    let (_, text) = issue(&tokenry, &root, &["admin:write"]);
    let part = common::with_token(&tokenry, &text, 2);
    tokenry.delete_user(&part, boss.id).unwrap();
    assert!(tokenry.create_user(&part, "boss", NewUser::default()).is_err());
    let (_, text) = issue(&tokenry, &root, &["*"]);
    let full = common::with_token(&tokenry, &text, 3);
    tokenry.create_user(&full, "boss", NewUser::default()).unwrap();
});

each_backend!(a_corrected_name_does_not_delay_a_demotion, |db| {
    let tokenry = service(db, mapping());
    let id = come(&tokenry, &["Root"], 10, 11).user().unwrap().id;
    let renamed = UserChanges::default().with_name("Other".to_owned());
    tokenry.update_user(&operator(20), id, renamed).unwrap();
    assert_eq!(role(&come(&tokenry, &["Staff"], 19, 21)), "user");
});

each_backend!(without_issuers_no_jwt_session_is_accepted, |db| {
    let tokenry = service(db, mapping());
    let begin = RequestContext::new(come(&tokenry, &["Staff"], 0, 1), at(1));
    let cookie = tokenry.start_session(&begin, None).unwrap().secret.reveal_once().to_string();
    let is_in = |tokenry: &Tokenry, seconds| {
        tokenry.session(cookie.as_bytes(), at(seconds), &ClientInfo::default()).is_ok()
    };
    assert!(is_in(&tokenry, 2));
    assert!(!is_in(&common::service(db), 3));
    assert!(!is_in(&tokenry, 4), "the JWT stays rejected");
});

each_backend!(an_earlier_jwt_does_not_act_as_a_later_user_with_its_subject, |db| {
    let tokenry = service(db, mapping().with_role_claim(None));
    let before = signed(&claims("alice", &[], 100));
    let mut undated = claims("alice", &[], 100);
    undated.as_object_mut().unwrap().remove("iat");
    let undated = signed(&undated);
    let mut last = 100;
    let mut id = sign_in(&tokenry, &before, 101).unwrap().user().unwrap().id;
    assert!(sign_in(&tokenry, &undated, 101).is_ok(), "the subject has no former user");
    // This holds for every way to create the next user and every way in which the former user lost the subject.
    for again in ["administrator", "proxy", "rename"] {
        last += 10;
        if again == "rename" {
            let away = UserChanges::default().with_subject("id|away".to_owned());
            tokenry.update_user(&operator(last), id, away).unwrap();
        } else {
            tokenry.delete_user(&operator(last), id).unwrap();
        }
        assert_eq!(rejection(sign_in(&tokenry, &before, last + 1)), Rejection::Unknown, "{again}");
        id = match again {
            "proxy" => {
                let named = tokenry.sign_in_via_proxy("id|alice", true, at(last + 2), &ClientInfo::default());
                named.unwrap().user().unwrap().id
            }
            _ => tokenry.create_user(&operator(last + 2), "id|alice", NewUser::default()).unwrap().id,
        };
        for old in [&before, &undated] {
            assert_eq!(rejection(sign_in(&tokenry, old, last + 3)), Rejection::Unknown, "{again}");
        }
        let skewed = signed(&claims("alice", &[], last + 30));
        assert_eq!(
            rejection(sign_in(&tokenry, &skewed, last + 3)),
            Rejection::Unknown,
            "{again}: clocks differ"
        );
        let new = signed(&claims("alice", &[], last + 31));
        assert_eq!(sign_in(&tokenry, &new, last + 32).unwrap().user().unwrap().id, id, "{again}");
    }
});

each_backend!(a_jwt_expired_only_by_a_clock_far_ahead_is_valid_again, |db| {
    let tokenry = service(db, mapping());
    let jwt = signed(&claims("alice", &["Staff"], 100));
    tokenry.check_clock(at(100)).unwrap();
    assert!(sign_in(&tokenry, &jwt, 110).is_ok());
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 400 * 86_400)), Rejection::Expired);
    assert!(sign_in(&tokenry, &jwt, 120).is_ok(), "no expiry was recorded");
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 500)), Rejection::Expired);
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 130)), Rejection::Expired);
});

each_backend!(an_expired_jwt_stays_expired_when_the_clock_goes_back, |db| {
    let tokenry = service(db, mapping());
    let jwt = signed(&claims("alice", &["Staff"], 100));
    let other = signed(&claims("bob", &["Staff"], 100));
    assert!(sign_in(&tokenry, &jwt, 399).is_ok());
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 500)), Rejection::Expired);
    assert_eq!(rejection(sign_in(&tokenry, &jwt, 200)), Rejection::Expired);
    assert!(sign_in(&tokenry, &other, 200).is_ok(), "other JWTs are not affected");
});
