//! The client's address as real proxies write it: with a port, in brackets, or not at all.

use crate::{gateway::Kind, setup::Setup};

/// A proxy that says this of the client instead of what its recipe says.
fn forwarding(kind: Kind, nginx: &str, caddy: &str) -> Option<Setup> {
    let nginx = format!("X-Forwarded-For \"{nginx}\";");
    let caddy = format!("forward_auth 127.0.0.1:8080 {{\n\t\t\theader_up X-Forwarded-For \"{caddy}\"");
    match kind {
        Kind::Nginx => Setup::with(kind, ("X-Forwarded-For $remote_addr;", &nginx)),
        Kind::Caddy => Setup::with(kind, ("forward_auth 127.0.0.1:8080 {", &caddy)),
    }
}

fn an_address_with_a_port_is_the_clients(kind: Kind) {
    for (nginx, caddy, client) in [
        ("203.0.113.7:$remote_port", "203.0.113.7:{remote_port}", "203.0.113.7"),
        ("[2001:db8::7]:$remote_port", "[2001:db8::7]:{remote_port}", "2001:db8::7"),
    ] {
        // Only where the proxy is not installed, which fails on a build server.
        let Some(setup) = forwarding(kind, nginx, caddy) else { return };
        let own = setup.token("own", &format!("--scope demo:read --allow-ip {client}"));
        let proxy = setup.token("proxy", "--scope demo:read --allow-ip 127.0.0.0/8");
        setup.reached(&setup.ask("GET /demo", &own, &[]));
        setup.stopped(&setup.ask("GET /demo", &proxy, &[]), &[403]);
        let shown = setup.backend.folder.json("token list --search own");
        assert_eq!(shown["data"][0]["allowed_ips"][0], client);
    }
}

fn what_is_no_address_is_not_the_proxys(kind: Kind) {
    for forwarded in ["unknown", "_hidden", "203.0.113.7:port", "203.0.113.7,"] {
        // Only where the proxy is not installed, which fails on a build server.
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
fn nginx_says_the_clients_address_with_a_port() {
    an_address_with_a_port_is_the_clients(Kind::Nginx);
}

#[test]
fn caddy_says_the_clients_address_with_a_port() {
    an_address_with_a_port_is_the_clients(Kind::Caddy);
}

#[test]
fn nginx_says_what_is_no_address() {
    what_is_no_address_is_not_the_proxys(Kind::Nginx);
}

#[test]
fn caddy_says_what_is_no_address() {
    what_is_no_address_is_not_the_proxys(Kind::Caddy);
}
