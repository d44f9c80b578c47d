//! The page of a product whose token API has another path and other names.

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
    assert_eq!(visit.site.api("GET", "api/v1/token", &secret, "").0, 401);
    // An error is shown at its field.
    visit.open("create");
    visit.fill("@field-name", &"x".repeat(101));
    visit.click("@access-viewer");
    visit.click("@create");
    visit.read("@error-name", "100");
}
