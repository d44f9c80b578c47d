//! Apache with a module that introspects tokens.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tokenry_testkit::programs;

use super::{Kind, command::Layout, free_address};

/// The modules of Apache that both recipes and the tests need.
const MODULES: [&str; 10] = [
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "macro",
    "proxy",
    "proxy_http",
    "setenvif",
    "ssl",
];

/// The name of the module, and its recipe.
fn module(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::AuthOpenidc => ("auth_openidc", "apache-auth-openidc.conf"),
        _ => ("oauth2", "apache-oauth2.conf"),
    }
}

/// The path of Apache if it has the module.
pub(super) fn program(kind: Kind) -> Option<PathBuf> {
    programs::apache_module(&format!("mod_{}.so", module(kind).0))?;
    programs::installed(&["openssl"])?;
    programs::installed(&["apache2", "httpd"])
}

/// Runs the recipe, and an HTTPS server in front of Tokenry with a certificate of its own, in one process.
pub(super) fn configure(kind: Kind, command: &mut Command, layout: &Layout<'_>, changes: &[(&str, &str)]) {
    let (name, recipe) = module(kind);
    certify(layout.folder);
    let load: Vec<_> = MODULES
        .iter()
        .chain([&name])
        .map(|module| {
            let path = programs::apache_module(&format!("mod_{module}.so")).expect("a module");
            format!("LoadModule {module}_module {}\n", path.display())
        })
        .collect();
    let https = free_address();
    let text =
        layout.recipe(recipe, changes).replace("https://tokens.example.org", &format!("https://{https}"));
    // The certificate is not one of a known authority.
    let text = match kind {
        Kind::AuthOpenidc => format!("OIDCOAuthSSLValidateServer Off\n{text}"),
        _ => text.replace("introspect.auth=", "introspect.ssl_verify=false&introspect.auth="),
    };
    let (root, listen) = (layout.folder.display(), layout.listen);
    let main = format!(
        "ServerRoot {root}\nPidFile {root}/pid\nErrorLog {root}/stderr\nLogLevel error\nServerName app.example.org\n\
         Mutex posixsem default\n{load}User nobody\nGroup {group}\nListen {https}\nListen {listen}\n\
         <VirtualHost {https}>\nSSLEngine on\nSSLCertificateFile {root}/cert.pem\n\
         SSLCertificateKeyFile {root}/key.pem\nProxyPass / http://{tokenry}/\n</VirtualHost>\n{text}",
        load = load.concat(),
        group = if Path::new("/etc/debian_version").exists() { "nogroup" } else { "nobody" },
        tokenry = layout.tokenry,
    );
    layout.write("apache-headers.conf", &layout.recipe("apache-headers.conf", &[]));
    command.arg("-X").arg("-f").arg(layout.write("apache.conf", &main));
}

fn certify(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]);
    openssl.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(folder);
    assert!(openssl.output().expect("openssl runs").status.success());
}
