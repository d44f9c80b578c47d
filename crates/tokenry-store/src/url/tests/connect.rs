//! The parsed hosts are those that libpq connects to, tested with connections.

use diesel::{Connection, PgConnection};
use proptest::{prelude::*, sample::select};
use tokenry_testkit::{FakeServer, StartupMessage};

use super::*;
use crate::{Store, StoreSettings, url::host::Name};

/// Addresses and similar texts; parsers that differ from libpq find other hosts in them.
fn address(ports: [u16; 2]) -> impl Strategy<Value = String> {
    let [one, two] = ports;
    let hosts = [
        format!("127.0.0.1:{one}"),
        format!("127.0.0.2:{two}"),
        format!("127.0.0.3:{one},127.0.0.1:{two}"),
        format!("localhost:{two}"),
        format!("127%2E0.0.1:{one}"),
        format!("127.0.0.1:{one}:{two}"),
        format!("127.0.0.1%3A{one}"),
        format!("127.0.0.1%2C127.0.0.2:{one}"),
        format!("127.0.0.1,127.0.0.2:{one}"),
        "127.0.0.1:".to_owned(),
        String::new(),
    ];
    let logins =
        ["", "me@", "me:x@", "me:@", "me:x:y@", "me:x@y@", "me:x%40127.0.0.2@", "m%65:%31@", ":x@", "@"];
    let paths = ["/t", "", "/", "/t/u", "/../t", "/t%2Fu", "/%74", "//127.0.0.2/t"];
    let parameters = [
        "".to_owned(),
        "sslmode=disable".to_owned(),
        format!("port={two}"),
        "host=127.0.0.2".to_owned(),
        "h%6Fst=127.0.0.2".to_owned(),
        format!("host=127.0.0.1,127.0.0.2&port={one},{two}"),
        format!("host=127.0.0.3&port={two}"),
        "hostaddr=127.0.0.2".to_owned(),
        "service=x".to_owned(),
        "dbname=u".to_owned(),
        "dbname=host=127.0.0.2".to_owned(),
        "user=you".to_owned(),
        "application_name=a b".to_owned(),
        "application_name=a+b".to_owned(),
        "application_name=a%27%20host%3D127.0.0.2".to_owned(),
        "target_session_attrs=any".to_owned(),
        "load_balance_hosts=disable".to_owned(),
    ];
    let parameters = proptest::collection::vec(select(parameters.to_vec()), 0..3);
    let scheme = select(vec!["postgres://", "postgresql://"]);
    (scheme, select(logins.to_vec()), select(hosts.to_vec()), select(paths.to_vec()), parameters).prop_map(
        |(scheme, login, hosts, path, parameters)| {
            let mark = if parameters.is_empty() { "" } else { "?" };
            format!("{scheme}{login}{hosts}{path}{mark}{}", parameters.join("&"))
        },
    )
}

/// The connections of a client: address, user and database, in order.
fn received(servers: &[FakeServer; 2]) -> Vec<(std::net::SocketAddr, String, String)> {
    servers.iter().flat_map(FakeServer::received).map(target_user_and_database).collect()
}

fn target_user_and_database(message: StartupMessage) -> (std::net::SocketAddr, String, String) {
    let StartupMessage { to, mut parameters } = message;
    let [user, database] = ["user", "database"].map(|name| parameters.remove(name).unwrap_or_default());
    (to, user, database)
}

#[test]
fn an_accepted_address_connects_to_the_parsed_hosts_and_where_libpq_would() {
    let servers = [FakeServer::open(None), FakeServer::open(None)];
    let ports = [servers[0].port(), servers[1].port()];
    let accepted = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(text in address(ports))| {
        let Ok(DatabaseUrl(Location::Postgres(server))) = text.parse() else { return Ok(()) };
        accepted.set(accepted.get() + 1);
        let read = |port: u16| {
            let of_port = server.hosts().iter().filter(move |host| host.port == port);
            of_port.map(|host| match &host.name {
                Name::Ip(ip) => std::net::SocketAddr::new(*ip, host.port),
                _ => std::net::SocketAddr::from(([127, 0, 0, 1], host.port)),
            })
        };
        let read: Vec<_> = ports.into_iter().flat_map(read).collect();
        prop_assert!(PgConnection::establish(&server.conninfo()).is_err());
        let ours = received(&servers);
        let connected: Vec<_> = ours.iter().map(|(to, ..)| *to).collect();
        prop_assert_eq!(&connected, &read, "{} connects to other hosts", text);
        // The original text passed to libpq, which then also tries all hosts.
        let mark = if text.contains('?') { '&' } else { '?' };
        let text = format!("{text}{mark}target_session_attrs=read-write&gssencmode=disable");
        prop_assert!(PgConnection::establish(&text).is_err());
        prop_assert_eq!(received(&servers), ours, "libpq parses {} differently", text);
    });
    assert!(accepted.get() > 20, "only {} addresses were accepted", accepted.get());
}

const CANARY: &str = "canary-7f3a";

#[test]
fn no_driver_message_shows_the_password() {
    // Control: the driver quotes invalid input and the server's messages.
    let text = format!("postgres://me:{CANARY}%zz@127.0.0.1:1/t");
    let message = PgConnection::establish(&text).err().unwrap().to_string();
    assert!(message.contains(CANARY), "{message}");
    assert!(!rejection(&text).to_string().contains(CANARY));

    let server = FakeServer::open(Some(|password| format!("no entry with {password}")));
    let text = format!("postgres://me:{CANARY}@127.0.0.1:{}/t?sslmode=disable", server.port());
    let message = PgConnection::establish(&text).err().unwrap().to_string();
    assert!(message.contains(CANARY), "{message}");
    let message = Store::open(&accepted(&text), StoreSettings::default()).err().unwrap().to_string();
    assert!(!message.contains(CANARY) && message.contains("rejects the login"), "{message}");
}
