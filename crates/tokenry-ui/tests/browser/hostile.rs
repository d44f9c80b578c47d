//! Untrusted texts with markup are displayed as text on every screen.

use serde_json::json;
use tokenry_actix::{
    clock,
    tokenry::{
        Catalog, Expiry, Lifetime, NewToken, NewUser, Role, Settings, UsageEvent, User,
        catalog::{Definition, GroupDefinition, ResourceDefinition},
    },
};

use crate::{site::Site, visit::Visit};

/// A user agent with markup.
const AGENT: &str = "\"><script>window.hacked=1</script><b data-hostile>agent</b>";

/// At most 100 characters that run a script and create elements unless they are treated as text.
fn markup(what: &str) -> String {
    format!("\"'><img src=x onerror=\"window.hacked='{what}'\"><b data-hostile>{what}</b>&lt;")
}

/// The texts and field values of this screen.
const SHOWN: &str = "return [document.body.innerText, document.title,
    ...[...document.querySelectorAll('input, textarea')].map(field => field.value)].join('\\n')";

/// Elements created from markup that was not treated as text.
const MADE: &str = "return {
    hacked: typeof window.hacked,
    made: [...document.querySelectorAll('img, iframe, object, embed, base, meta[http-equiv], body script, [data-hostile]')].map(e => e.outerHTML),
    handlers: [...document.querySelectorAll('*')].flatMap(e => [...e.attributes].filter(a => a.name.startsWith('on')).map(a => a.name)),
}";

/// Waits until all these texts are displayed literally, and fails if any became an element.
#[track_caller]
fn all_is_text(visit: &Visit, screen: &str, texts: &[&str]) {
    for text in texts {
        visit.until(&format!("{screen}: {text}"), || {
            visit.eval(SHOWN, &[]).as_str()?.contains(text).then_some(())
        });
    }
    visit.settle();
    let nothing = json!({ "hacked": "undefined", "made": [], "handlers": [] });
    assert_eq!(visit.eval(MADE, &[]), nothing, "{screen}");
    assert!(visit.holds("document.querySelector('img[src=\"x\"]') === null"), "{screen}");
    assert_eq!(visit.violations(), Vec::<String>::new(), "{screen}");
    assert_eq!(visit.browser.attempt(visit.browser.driver().get_alert_text()), None, "{screen}");
}

/// An administrator whose name and subject are markup.
fn administrator(site: &Site) -> User {
    let new = NewUser::default().with_role(Role::admin()).with_name(markup("user name"));
    site.tokenry.find_or_create_user(&site.operator(), &markup("subject"), Some(new)).unwrap()
}

/// Their token with markup in every free text; its secret and its id.
fn token(site: &Site, owner: &User, name: &str, scopes: &[&str], hours: u32) -> (String, String) {
    site.issue(
        owner,
        NewToken::new(markup(name))
            .with_description(format!("first\n{}", markup("description")))
            .with_scopes(scopes.iter().map(ToString::to_string).collect::<Vec<_>>())
            .with_expiry(Expiry::In(Lifetime::seconds(hours * 3600)))
            .with_metadata(
                json!({ "note": "<img src=x onerror=window.hacked=2>" }).as_object().unwrap().clone(),
            ),
    )
}

#[test]
fn markup_of_users_is_text_in_every_list_and_dialog() {
    let Some(visit) = Visit::start() else { return };
    let site = &visit.site;
    let owner = administrator(site);
    let (secret, _) = token(site, &owner, "session", &["*"], 20);
    let (_, id) = token(site, &owner, "token", &["projects:read"], 12);
    let [session, name, user, subject, description, reason, link] =
        ["session", "token", "user name", "subject", "description", "reason", "link"].map(markup);
    visit.sign_in(&secret);
    let row = format!("@token[data-id=\"{id}\"]");
    let open = || visit.open(&format!("token?id={id}"));

    visit.click("@account summary");
    all_is_text(&visit, "my tokens, menu", &[&session, &name, &user]);
    visit.click("@account summary");
    visit.eval(
        "document.querySelector(`[data-id=\"${arguments[0]}\"] [data-test=switch]`).click()",
        &[json!(id)],
    );
    visit.read("@toast", &name);
    all_is_text(&visit, "inactive", &[&name]);
    visit.eval(
        "document.querySelector(`[data-id=\"${arguments[0]}\"] [data-test=switch]`).click()",
        &[json!(id)],
    );
    visit.read(&format!("{row} @status"), "Active");

    open();
    visit.see("@history");
    visit.click("@history summary");
    visit.see("@event");
    all_is_text(&visit, "one token", &[&name, &description, "<img src=x onerror=window.hacked=2>"]);
    visit.click("@edit");
    visit.see("@edit-dialog");
    all_is_text(&visit, "edit", &[&name, &description]);
    open();
    visit.click("@rotate");
    visit.see("@rotate-dialog");
    all_is_text(&visit, "rotate", &[&name]);
    visit.click("label:has(@grace-900)");
    visit.click("@answer-rotate");
    visit.see("@secret-dialog");
    all_is_text(&visit, "rotated", &[&name]);
    visit.click("@secret-done");
    visit.click("@secret-done");
    visit.see_no("@secret-dialog");

    visit.open("");
    visit.click(&format!("{row} @revoke"));
    visit.fill("@revoke-reason", &reason);
    all_is_text(&visit, "revoke", &[&name, &reason]);
    visit.click("@answer-revoke");
    visit.read("@toast", &name);
    visit.read(&format!("{row} @revocation"), &reason);
    all_is_text(&visit, "revoked", &[&name, &reason]);

    for [path, shown] in [["create?name=", &link], ["create?from=", "Copy of"]] {
        let asked = if path.ends_with("from=") { id.clone() } else { hex(&link) };
        visit.open(&format!("{path}{asked}&scopes=projects:read,{}", hex("<img/src=x>:read")));
        visit.see("@create-form");
        visit.see("@rejected");
        all_is_text(&visit, "create", &[shown, "<img/src=x>:read"]);
    }
    visit.open(&format!("create?name={}&scopes=projects:read", hex(&link)));
    for snippet in ["curl", "env", "mcp", "vscode", "codex"] {
        if snippet == "curl" {
            visit.click("@create");
            visit.see("@secret-dialog");
            visit.fill("@snippet-url", &markup("url"));
        }
        visit.click(&format!("@snippet-{snippet}"));
        all_is_text(&visit, snippet, &[&link]);
    }
    visit.click("@secret-done");
    visit.click("@secret-done");
    visit.read("@toast, @token @name", &link);

    visit.open("users");
    let person = format!("@user[data-id=\"{}\"]", owner.id);
    visit.see(&person);
    all_is_text(&visit, "users", &[&user, &subject]);
    for (action, shown) in [("edit", &user), ("disable", &user), ("revoke_all", &user), ("delete", &subject)]
    {
        visit.click(&format!("{person} @user-{action}"));
        visit.see("dialog");
        all_is_text(&visit, action, &[shown]);
        visit.click("@answer-cancel");
        visit.see_no("dialog");
    }
    visit.open(&format!("inventory?user_id={}", owner.id));
    visit.see("@list @token");
    all_is_text(&visit, "inventory", &[&session, &name, &link]);
    visit.open("audit");
    visit.see("@event");
    all_is_text(&visit, "audit", &[&name, &reason, &link, &subject]);
    visit.open("policy");
    visit.see("@policy-roles");
    all_is_text(&visit, "policy", &[&user]);
}

#[test]
fn markup_of_clients_is_text_in_usage_history_and_audit() {
    let Some(visit) = Visit::start() else { return };
    let site = &visit.site;
    let owner = administrator(site);
    let (secret, id) = token(site, &owner, "token", &["*"], 12);
    // The browser itself has this user agent, so that it is recorded with every action.
    visit.cdp("Network.setUserAgentOverride", json!({ "userAgent": AGENT }));
    visit.open("sign-in");
    let used = "return fetch('api/v1/tokens', { headers: { Authorization: `Bearer ${arguments[0]}` }, credentials: 'omit' }).then(answer => answer.status)";
    assert_eq!(visit.eval(used, &[json!(secret)]), 200);
    // A service that embeds Tokenry chooses the names of its routes.
    let (method, route) = ("<img/src=x onerror=hacked=1>", markup("route"));
    let verified = site.tokenry.verify_blocking(secret.as_bytes(), clock::now(), None).unwrap();
    let event = UsageEvent::new(clock::now(), None, 200)
        .with_method(method)
        .with_route(&route)
        .with_user_agent(AGENT);
    site.tokenry.record_use(&verified, &event);
    site.tokenry.flush().unwrap();
    visit.sign_in(&secret);
    let changed = "return fetch('api/v1/tokens/' + arguments[0], {
        method: 'PATCH', body: '{\"description\":\"seen\"}',
        headers: { 'Content-Type': 'application/json', 'X-Tokenry-Request': '1' },
    }).then(answer => answer.status)";
    assert_eq!(visit.eval(changed, &[json!(id)]), 200);

    visit.open(&format!("token?id={id}"));
    visit.see("@chart");
    visit.click("@usage-numbers summary");
    visit.read("@usage", AGENT);
    visit.read("@usage", &format!("{method} {route}"));
    visit.click("@history summary");
    visit.read("@event", AGENT);
    all_is_text(&visit, "one token", &[AGENT, &route]);
    visit.open("audit?kind=auth.session.started");
    visit.read("@event", AGENT);
    all_is_text(&visit, "audit", &[AGENT]);
}

#[test]
fn markup_of_a_catalog_is_text_in_the_scope_picker() {
    let words = ["group", "group text", "resource text", "own text"].map(markup);
    let [group, group_text, resource_text, own_text] = words.clone();
    // Valid names, among them properties of every JavaScript object.
    let names = ["constructor", "prototype", "a.b_c-d"];
    let closed = |settings: &mut Settings| {
        let described = |name: &str, description: &str| {
            ResourceDefinition::new(name.to_owned()).with_description(description.to_owned())
        };
        let definition = Definition::default()
            .with_levels(["read", "constructor"].map(str::to_owned).to_vec())
            .with_resources(
                names
                    .iter()
                    .map(|name| described(name, &resource_text))
                    .chain([described("tokens", &own_text)])
                    .collect(),
            )
            .with_groups(vec![
                GroupDefinition::new(group)
                    .with_description(group_text)
                    .with_resources(names.map(str::to_owned).to_vec()),
            ]);
        settings.catalog = Catalog::define(&definition).unwrap();
    };
    let Some(visit) = Visit::of(|| Site::with("", closed)) else { return };
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    visit.sign_in(&visit.site.root);
    visit.open("create");
    visit.see("@create-form");
    all_is_text(&visit, "create", &words);
    visit.fill("@field-name", "plain");
    for name in names {
        visit.click(&format!("label:has([data-test=\"access-{name}:constructor\"])"));
    }
    visit.read("@sum", "prototype");
    visit.click("@create");
    visit.see("@secret-dialog");
    all_is_text(&visit, "shown once", &words);
    let made = visit.site.get("api/v1/token", &visit.value("@secret"));
    let mut scopes = names.map(|name| format!("{name}:constructor"));
    scopes.sort();
    assert_eq!(made["scopes"], json!(scopes));
    visit.open(&format!("token?id={}", made["id"].as_str().unwrap()));
    visit.click("@edit");
    visit.see("@edit-dialog");
    all_is_text(&visit, "edit", &words);
}

#[test]
fn markup_in_the_url_and_in_pasted_text_is_text_on_the_sign_in_page() {
    let Some(visit) = Visit::start() else { return };
    let address = hex("\"><img src=x onerror=window.hacked=1>");
    visit.open(&format!("sign-in?next={address}&{address}={address}#{address}"));
    visit.present(&markup("token"));
    visit.read("@token-error", "not a valid token");
    all_is_text(&visit, "sign-in", &[&markup("token")]);
    visit.present(&visit.site.root);
    visit.read("@name", "bootstrap");
    // The texts of a page for an object that does not exist.
    for page in ["?status=", "token?id=", "create?expires_in_days=", "inventory?user_id=", "audit?kind="] {
        visit.open(&format!("{page}{address}"));
        visit.wait("document.querySelectorAll('[aria-busy=true], .skeleton').length === 0");
        all_is_text(&visit, page, &[]);
    }
}

/// Percent-encodes every byte.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
