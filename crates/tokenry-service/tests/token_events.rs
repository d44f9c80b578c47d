//! The history of a token as its owner sees it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{issue, operator, service, user, with_token};
use tokenry_service::{
    Activation, ClientInfo, Lifetime, PageSize, Policy, ReadError, Reason, RequestContext, Rotation,
    TokenChanges, TokenEvent, TokenId, Tokenry,
};
use tokenry_testkit::each_backend;

fn located(context: RequestContext, ip: &str) -> RequestContext {
    let client = ClientInfo::new(ip.parse().ok(), Some("curl/8"), Some(format!("request from {ip}")));
    context.with_client(client)
}

fn events(tokenry: &Tokenry, context: &RequestContext, id: TokenId) -> Vec<TokenEvent> {
    tokenry.token_events(context, id, PageSize::default(), None).unwrap().items
}

/// Kind and address of each event, oldest first.
fn kinds_and_addresses(events: &[TokenEvent]) -> Vec<(&str, Option<String>)> {
    let pair = |it: &TokenEvent| (it.event.kind.as_str(), it.event.client.ip.map(|ip| ip.to_string()));
    events.iter().rev().map(pair).collect()
}

fn switch(switch: Activation) -> TokenChanges {
    TokenChanges::default().with_switch(switch)
}

each_backend!(an_owner_sees_the_addresses_of_their_own_changes_only, |db| {
    let tokenry = service(db);
    let (alice, root) = (user(&tokenry, "alice", "user"), user(&tokenry, "root", "admin"));
    let (token, _) = issue(&tokenry, &alice, &["a:read"]);
    let (_, managing) = issue(&tokenry, &alice, &["*"]);
    let own = |seconds| located(with_token(&tokenry, &managing, seconds), "192.0.2.1");
    let vouched = located(
        RequestContext::new(tokenry.caller_for_user(alice.clone()).unwrap(), common::at(3)),
        "192.0.2.2",
    );
    tokenry.update_token(&own(1), token.id, switch(Activation::Inactive)).unwrap();
    tokenry.update_token(&vouched, token.id, switch(Activation::Active)).unwrap();
    tokenry.update_token(&located(operator(4), "192.0.2.3"), token.id, switch(Activation::Inactive)).unwrap();
    let (_, administering) = issue(&tokenry, &root, &["*"]);
    let admin = located(with_token(&tokenry, &administering, 5), "192.0.2.4");
    tokenry.revoke_user_tokens(&admin, alice.id, Some(Reason::parse("gone").unwrap())).unwrap();

    let alice_again = RequestContext::new(tokenry.caller_for_user(alice).unwrap(), common::at(6));
    let seen = events(&tokenry, &alice_again, token.id);
    let at = |ip: &str| Some(ip.to_owned());
    assert_eq!(
        kinds_and_addresses(&seen),
        [
            ("auth.token.created", None),
            ("auth.token.updated", at("192.0.2.1")),
            ("auth.token.updated", at("192.0.2.2")),
            ("auth.token.updated", None),
            ("auth.token.revoked", None),
        ]
    );
    let revoked = &seen[0].event;
    assert_eq!(revoked.client, ClientInfo::default(), "neither user agent nor request id");
    assert_eq!(revoked.detail.get("reason").and_then(|it| it.as_str()), Some("gone"));
    let of_operator = events(&tokenry, &operator(6), token.id);
    assert_eq!(kinds_and_addresses(&of_operator)[4].1, at("192.0.2.4"), "the operator sees every address");
    for context in [&admin, &RequestContext::new(tokenry.caller_for_user(root).unwrap(), common::at(6))] {
        let rejected = tokenry.token_events(context, token.id, PageSize::default(), None);
        assert!(matches!(rejected, Err(ReadError::NotFound)));
    }
});

each_backend!(an_owner_sees_the_address_that_used_a_retired_secret, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, old) = issue(&tokenry, &alice, &["a:read"]);
    let rotation = Rotation::default().with_grace(Lifetime::seconds(0));
    tokenry.rotate_token(&operator(1), token.id, rotation).unwrap();
    let thief = "203.0.113.9".parse().ok();
    assert!(tokenry.verify_blocking(old.as_bytes(), common::at(4000), thief).is_err());
    drop(tokenry);
    let tokenry = service(db);
    let caller = RequestContext::new(tokenry.caller_for_user(alice).unwrap(), common::at(4001));
    let seen = events(&tokenry, &caller, token.id);
    let shown = kinds_and_addresses(&seen);
    let failed: Vec<_> = shown.iter().filter(|(kind, _)| *kind == "auth.request.failed").collect();
    assert!(!failed.is_empty());
    assert!(failed.iter().all(|(_, ip)| ip.as_deref() == Some("203.0.113.9")), "{shown:?}");
});

each_backend!(events_by_a_deleted_token_are_shown_as_by_another_actor, |db| {
    let retention = Some(Lifetime::days(1));
    let settings = common::settings(Policy::default()).with_retention(retention);
    let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (token, _) = issue(&tokenry, &alice, &["a:read"]);
    let (acting, text) = issue(&tokenry, &alice, &["*"]);
    let own = located(with_token(&tokenry, &text, 1), "192.0.2.1");
    tokenry.update_token(&own, token.id, switch(Activation::Inactive)).unwrap();
    let seen = |seconds| {
        let caller =
            RequestContext::new(tokenry.caller_for_user(alice.clone()).unwrap(), common::at(seconds));
        kinds_and_addresses(&events(&tokenry, &caller, token.id))[1].1.clone()
    };
    assert_eq!(seen(2).as_deref(), Some("192.0.2.1"));
    tokenry.revoke_token(&operator(3), acting.id, None).unwrap();
    assert_eq!(tokenry.cleanup(&operator(2 * 86_400)).unwrap().purged_tokens, 1);
    assert_eq!(seen(2 * 86_400), None);
    let caller = RequestContext::new(tokenry.caller_for_user(alice.clone()).unwrap(), common::at(2 * 86_400));
    let gone = tokenry.token_events(&caller, acting.id, PageSize::default(), None);
    assert!(matches!(gone, Err(ReadError::NotFound)), "a deleted token is not found");
});
