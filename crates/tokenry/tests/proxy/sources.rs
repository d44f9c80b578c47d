//! The client's address in the forms that real proxies use: with a port, in brackets, or missing.

use crate::{
    gateway::Kind,
    setup::{Backend, Setup},
};

/// A proxy that forwards this client address instead of that of its recipe.
fn forwarding(kind: Kind, nginx: &str, caddy: &str) -> Option<Setup> {
    let nginx = format!("X-Forwarded-For \"{nginx}\";");
    let caddy = format!("forward_auth 127.0.0.1:8080 {{\n\t\t\theader_up X-Forwarded-For \"{caddy}\"");
    match kind {
        Kind::Nginx => Setup::with(kind, Backend::new(), &[("X-Forwarded-For $remote_addr;", &nginx)]),
        Kind::Caddy => Setup::with(kind, Backend::new(), &[("forward_auth 127.0.0.1:8080 {", &caddy)]),
    }
}

fn assert_address_with_port_is_accepted(kind: Kind) {
    for (nginx, caddy, client) in [
        ("203.0.113.7:$remote_port", "203.0.113.7:{remote_port}", "203.0.113.7"),
        ("[2001:db8::7]:$remote_port", "[2001:db8::7]:{remote_port}", "2001:db8::7"),
    ] {
        // Only if the proxy is not installed, which is an error on a build server.
        let Some(setup) = forwarding(kind, nginx, caddy) else { return };
        let own = setup.token("own", &format!("--scope demo:read --allow-ip {client}"));
        let proxy = setup.token("proxy", "--scope demo:read --allow-ip 127.0.0.0/8");
        setup.reached(&setup.ask("GET /demo", &own, &[]));
        setup.stopped(&setup.ask("GET /demo", &proxy, &[]), &[403]);
        let shown = setup.backend.folder.json("token list --search own");
        assert_eq!(shown["data"][0]["allowed_ips"][0], client);
    }
}

fn assert_invalid_address_is_rejected(kind: Kind) {
    for forwarded in ["unknown", "_hidden", "203.0.113.7:port", "203.0.113.7,"] {
        // Only if the proxy is not installed, which is an error on a build server.
        let Some(setup) = forwarding(kind, forwarded, forwarded) else { return };
        let anywhere = setup.token("anywhere", "--scope demo:read");
        setup.reached(&setup.ask("GET /demo", &anywhere, &[]));
        for listed in ["127.0.0.0/8", "203.0.113.7", "0.0.0.0/0"] {
            let bound = setup.token(
                &format!("of {listed}").replace(['/', ' '], "-"),
                &format!("--scope demo:read --allow-ip {listed}"),
            );
            setup.stopped(&setup.ask("GET /demo", &bound, &[]), &[403]);
        }
    }
}

#[test]
fn nginx_may_forward_the_clients_address_with_a_port() {
    assert_address_with_port_is_accepted(Kind::Nginx);
}

#[test]
fn caddy_may_forward_the_clients_address_with_a_port() {
    assert_address_with_port_is_accepted(Kind::Caddy);
}

#[test]
fn an_invalid_address_from_nginx_is_rejected() {
    assert_invalid_address_is_rejected(Kind::Nginx);
}

#[test]
fn an_invalid_address_from_caddy_is_rejected() {
    assert_invalid_address_is_rejected(Kind::Caddy);
}
