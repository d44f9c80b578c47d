//! The page of a product whose token API has another path and other names.

use serde_json::json;
use tokenry_actix::{
    FieldNames, HttpSettings, TokensApi, TokensPath,
    tokenry::{
        Catalog,
        catalog::{Definition, NamedDefinition},
    },
};

use crate::{site::Site, visit::Visit};

/// The product: scopes as one text, a named scope, and another word for name, secret and list.
fn start() -> Site {
    let names = [("name", "label"), ("token", "raw_token"), ("scopes", "scope"), ("data", "items")];
    let names = names.map(|(field, name)| (field.to_owned(), name.to_owned()));
    let tokens_api = TokensApi {
        path: TokensPath::new("/users/me/api-tokens", tokenry_ui::PATHS).unwrap(),
        fields: FieldNames::new(&names, true).unwrap(),
        put_updates: false,
    };
    let scopes = ["projects:read", "tokens:read"].map(str::to_owned).to_vec();
    let viewer = NamedDefinition::new("viewer", scopes).with_description("See everything".to_owned());
    let definition = Definition::default().with_named_scopes(vec![viewer]);
    Site::behind("", HttpSettings::default().with_tokens_api(tokens_api), |settings| {
        settings.catalog = Catalog::define(&definition).unwrap();
    })
}

#[test]
fn the_page_creates_switches_and_revokes_tokens_at_the_path_and_under_the_names_of_a_product() {
    let Some(visit) = Visit::of(start) else { return };
    visit.sign_in(&visit.site.root);
    visit.click("@new-token");
    visit.fill("@field-name", "dashboard");
    visit.click("@access-viewer");
    visit.read("@sum", "use viewer");
    visit.click("@create");
    visit.see("@secret-dialog");
    let secret = visit.value("@secret");
    let own = visit.site.get("api/v1/token", &secret);
    assert_eq!((own["name"].as_str(), own["scopes"][0].as_str()), (Some("dashboard"), Some("viewer")));
    visit.click("@secret-copy");
    visit.click("@secret-done");
    visit.read("@token.fresh @name", "dashboard");
    visit.read("@token.fresh", "viewer");
    // The switch is optimistic, and rolls back where the server refuses.
    visit.site.fail("PATCH /users/me/api-tokens/");
    visit.click("@token.fresh @switch");
    visit.see("@token.fresh @switch:checked");
    visit.site.recover();
    visit.click("@token.fresh @switch");
    visit.read("@token.fresh .status", "Inactive");
    // The page shows it before the server has answered.
    visit.until("the token is inactive", || {
        (visit.site.api("GET", "api/v1/token", &secret, "").0 == 401).then_some(())
    });
    // An error is shown at its field.
    visit.open("create");
    visit.fill("@field-name", &"x".repeat(101));
    visit.click("@access-viewer");
    visit.click("@create");
    visit.read("@error-name", "100");
}

/// A product whose tokens have exactly one of three role scopes.
fn with_role_scopes() -> Site {
    let named = |name: &str, scopes: &[&str]| {
        let scopes = scopes.iter().map(ToString::to_string).collect();
        NamedDefinition::new(name, scopes).with_description(format!("Be a {name}"))
    };
    let roles = ["guest", "writer", "owner"];
    let definition = Definition::default()
        .with_named_scopes(vec![
            named("guest", &["a:read"]),
            named("writer", &["guest", "a:write"]),
            named("owner", &["*"]),
        ])
        .with_default_scopes(vec!["guest".to_owned()])
        .with_exclusive_scopes(roles.map(str::to_owned).to_vec());
    Site::with("", |settings| settings.catalog = Catalog::define(&definition).unwrap())
}

#[test]
fn exactly_one_exclusive_scope_is_chosen_for_a_token() {
    let Some(visit) = Visit::of(with_role_scopes) else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?name=app");
    visit.see("@access-guest:checked");
    assert_eq!(visit.count("@access-exclusive input"), 3);
    visit.click("@access-writer");
    visit.see_no("@access-guest:checked");
    visit.read("@sum", "use writer");
    visit.click("@create");
    visit.see("@secret-dialog");
    let created = visit.site.get("api/v1/token", &visit.value("@secret"));
    assert_eq!(created["scopes"], json!(["writer"]));
    let id = created["id"].as_str().unwrap().to_owned();
    visit.click("@secret-copy");
    visit.click("@secret-done");
    visit.see("@token");
    visit.open(&format!("token?id={id}"));
    visit.click("@edit");
    visit.see("@edit-dialog @access-writer:checked");
    visit.click("@edit-dialog @access-guest");
    visit.click("@answer-save");
    visit.see_no("@edit-dialog");
    let changed = visit.site.get(&format!("api/v1/tokens/{id}"), &visit.site.root);
    assert_eq!(changed["scopes"], json!(["guest"]));
    // The bootstrap token keeps its scopes, although none of the choices is among them.
    let own = visit.site.get("api/v1/token", &visit.site.root)["id"].as_str().unwrap().to_owned();
    visit.open(&format!("token?id={own}"));
    visit.click("@edit");
    visit.see("@edit-dialog @access-exclusive");
    assert_eq!(visit.count("@edit-dialog input[type=radio][data-test^=access-]:checked"), 0);
    visit.fill("@edit-dialog @field-name", "first");
    visit.click("@answer-save");
    visit.see_no("@edit-dialog");
    let kept = visit.site.get("api/v1/token", &visit.site.root);
    assert_eq!((&kept["name"], &kept["scopes"]), (&json!("first"), &json!(["*"])));
}

#[test]
fn a_product_without_scopes_of_its_own_gives_a_new_token_its_default() {
    let definition = Definition::default().with_default_scopes(vec!["full_access".to_owned()]);
    let site = || Site::with("", |settings| settings.catalog = Catalog::define(&definition).unwrap());
    let Some(visit) = Visit::of(site) else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?name=laptop");
    visit.see("@access-full_access:checked");
    assert_eq!(visit.count("@rejected"), 0);
    visit.read("@sum", "everything");
    visit.click("@create");
    visit.see("@secret-dialog");
    let created = visit.site.get("api/v1/token", &visit.value("@secret"));
    assert_eq!(created["scopes"], json!(["full_access"]));
}
