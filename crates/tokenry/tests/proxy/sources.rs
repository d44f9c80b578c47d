//! The client's address in the forms that real proxies use: with a port, in brackets, or missing.

use crate::{
    gateway::Kind,
    setup::{Backend, Setup},
};

/// The proxies whose recipe can be changed to forward another address. Traefik has no such setting.
const KINDS: [Kind; 3] = [Kind::Nginx, Kind::Caddy, Kind::Envoy];

/// A proxy that forwards this client address instead of that of its recipe; `PORT` is the client's port.
fn forwarding(kind: Kind, address: &str) -> Option<Setup> {
    let (line, variable) = match kind {
        Kind::Nginx => ("X-Forwarded-For $remote_addr;", "$remote_port"),
        Kind::Caddy => ("forward_auth 127.0.0.1:8080 {", "{remote_port}"),
        Kind::Traefik | Kind::AuthOpenidc | Kind::OAuth2 => return None,
        Kind::Envoy => {
            ("\"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%\"", "%DOWNSTREAM_DIRECT_REMOTE_PORT%")
        }
    };
    let address = address.replace("PORT", variable);
    let changed = match kind {
        Kind::Nginx => format!("X-Forwarded-For \"{address}\";"),
        Kind::Caddy => format!("{line}\n\t\t\theader_up X-Forwarded-For \"{address}\""),
        _ => format!("\"{address}\""),
    };
    Setup::with(kind, Backend::new(), &[(line, &changed)])
}

#[test]
fn a_proxy_may_forward_the_clients_address_with_a_port() {
    for kind in KINDS {
        for (forwarded, client) in
            [("203.0.113.7:PORT", "203.0.113.7"), ("[2001:db8::7]:PORT", "2001:db8::7")]
        {
            // Only if the proxy is not installed, which is an error on a build server.
            let Some(setup) = forwarding(kind, forwarded) else { continue };
            let own = setup.token("own", &format!("--scope demo:read --allow-ip {client}"));
            let proxy = setup.token("proxy", "--scope demo:read --allow-ip 127.0.0.0/8");
            setup.reached(&setup.ask("GET /demo", &own, &[]));
            setup.stopped(&setup.ask("GET /demo", &proxy, &[]), &[403]);
            let shown = setup.backend.folder.json("token list --search own");
            assert_eq!(shown["data"][0]["allowed_ips"][0], client);
        }
    }
}

#[test]
fn an_invalid_address_from_a_proxy_is_rejected() {
    for kind in KINDS {
        for forwarded in ["unknown", "_hidden", "203.0.113.7:port", "203.0.113.7,"] {
            // Only if the proxy is not installed, which is an error on a build server.
            let Some(setup) = forwarding(kind, forwarded) else { continue };
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
}
