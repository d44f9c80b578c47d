//! Identity headers with the names of a product, and recipes that were changed as the guide says.

use crate::{
    attacks::{assert_forged_are_removed, assert_named_in_connection_arrive},
    gateway::Kind,
    setup::{Backend, Setup},
};

/// Names that the shipped recipes do not have.
const CUSTOM: [&str; 5] =
    ["X-Acme-User", "X-Acme-Subject", "X-Acme-Role", "X-Acme-Scopes", "X-Acme-Token-Id"];
/// The names of the profile `local-model`.
const LOCAL_MODEL: [&str; 5] =
    ["X-Resource-User", "X-Resource-Subject", "X-Resource-Role", "X-Resource-Scope", "X-Resource-Token"];

fn backend(names: [&str; 5]) -> Backend {
    let [user, subject, role, scopes, token_id] = names;
    Backend::with(&format!(
        "\n[identity_headers]\nuser = \"{user}\"\nsubject = \"{subject}\"\nrole = \"{role}\"\n\
         scopes = \"{scopes}\"\ntoken_id = \"{token_id}\"\n"
    ))
}

/// Asserts that the application gets the caller under these names, and nothing that a client wrote under them.
#[track_caller]
fn assert_only_tokenry_names_the_caller(setup: &Setup, names: [&str; 5]) {
    let [user, subject, role, scopes, token_id] = names.map(str::to_lowercase);
    let received = setup.reached(&setup.ask("GET /demo", &setup.token, &[]));
    let listed = setup.backend.folder.json("token list --search reader")["data"][0].clone();
    for (name, value) in [
        (user, listed["user_id"].as_str().expect("an id")),
        (subject, "alice"),
        (role, "user"),
        (scopes, "demo:read"),
        (token_id, listed["id"].as_str().expect("an id")),
    ] {
        assert_eq!(received.values(&name), [value], "{name}: {received:?}");
    }
    assert_forged_are_removed(setup, names);
    assert_named_in_connection_arrive(setup, names);
}

fn assert_custom_names_are_protected(kind: Kind, changes: &[(&str, &str)]) {
    // Only if the proxy is not installed, which is an error on a build server.
    let Some(setup) = Setup::with(kind, backend(CUSTOM), changes) else { return };
    assert_only_tokenry_names_the_caller(&setup, CUSTOM);
    drop(setup);
    // The control: with a recipe that was not changed, a client names itself, as the guide warns.
    let Some(unchanged) = Setup::with(kind, backend(CUSTOM), &[]) else { return };
    let received =
        unchanged.reached(&unchanged.ask("GET /demo", &unchanged.token, &[("X-Acme-Role", "admin")]));
    assert_eq!(received.values("x-acme-role"), ["admin"], "{received:?}");
}

#[test]
fn nginx_lets_no_client_set_a_custom_identity_header() {
    let changes = [("X-Resource-", "X-Acme-"), ("$upstream_http_x_resource_", "$upstream_http_x_acme_")];
    assert_custom_names_are_protected(Kind::Nginx, &changes);
}

#[test]
fn caddy_lets_no_client_set_a_custom_identity_header() {
    assert_custom_names_are_protected(Kind::Caddy, &[("X-Resource-", "X-Acme-")]);
}

#[test]
fn traefik_lets_no_client_set_a_custom_identity_header() {
    let changes = [("X-Resource-", "X-Acme-"), ("x-resource-", "x-acme-")];
    assert_custom_names_are_protected(Kind::Traefik, &changes);
}

#[test]
fn envoy_lets_no_client_set_a_custom_identity_header() {
    assert_custom_names_are_protected(Kind::Envoy, &[("x-resource-", "x-acme-")]);
}

#[test]
fn nginx_lets_no_client_set_an_identity_header_of_the_profile_local_model() {
    let changes = [
        ("proxy_set_header X-Resource-Token \"\";", "proxy_set_header X-Resource-Token $resource_token_id;"),
        ("proxy_set_header X-Resource-Scope \"\";", "proxy_set_header X-Resource-Scope $resource_scopes;"),
        (
            "proxy_set_header X-Resource-Token-Id $resource_token_id;",
            "proxy_set_header X-Resource-Token-Id \"\";",
        ),
        ("proxy_set_header X-Resource-Scopes $resource_scopes;", "proxy_set_header X-Resource-Scopes \"\";"),
        ("$upstream_http_x_resource_token_id", "$upstream_http_x_resource_token"),
        ("$upstream_http_x_resource_scopes", "$upstream_http_x_resource_scope"),
    ];
    let Some(setup) = Setup::with(Kind::Nginx, backend(LOCAL_MODEL), &changes) else { return };
    assert_only_tokenry_names_the_caller(&setup, LOCAL_MODEL);
}

#[test]
fn caddy_lets_no_client_set_an_identity_header_of_the_profile_local_model() {
    let change = ("X-Resource-Scopes X-Resource-Token-Id", "X-Resource-Scope X-Resource-Token");
    let Some(setup) = Setup::with(Kind::Caddy, backend(LOCAL_MODEL), &[change]) else { return };
    assert_only_tokenry_names_the_caller(&setup, LOCAL_MODEL);
}

#[test]
fn traefik_lets_no_client_set_an_identity_header_of_the_profile_local_model() {
    let changes =
        [("- X-Resource-Scopes", "- X-Resource-Scope"), ("- X-Resource-Token-Id", "- X-Resource-Token")];
    let Some(setup) = Setup::with(Kind::Traefik, backend(LOCAL_MODEL), &changes) else { return };
    assert_only_tokenry_names_the_caller(&setup, LOCAL_MODEL);
}

#[test]
fn envoy_lets_no_client_set_an_identity_header_of_the_profile_local_model() {
    let changes = [
        ("exact: x-resource-scopes", "exact: x-resource-scope"),
        ("exact: x-resource-token-id", "exact: x-resource-token"),
    ];
    let Some(setup) = Setup::with(Kind::Envoy, backend(LOCAL_MODEL), &changes) else { return };
    assert_only_tokenry_names_the_caller(&setup, LOCAL_MODEL);
}
