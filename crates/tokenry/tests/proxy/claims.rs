//! Headers that the recipes remove.

/// Headers that an application might trust although nothing verified them.
pub(crate) const CLAIMS: [&str; 31] = [
    "x-forwarded",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-forwarded-user",
    "x-forwarded-groups",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-original-path",
    "x-original-host",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "client-ip",
    "remote-user",
    "x-remote-user",
    "http2-settings",
];

#[test]
fn the_guide_names_every_removed_header() {
    let guide = include_str!("../../../../docs/deploy/README.md").to_lowercase();
    for name in CLAIMS {
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}
