//! The command that starts each proxy with its recipe.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tokenry_testkit::programs;

use super::{Kind, apache};

/// Where a proxy runs, and what is behind it; addresses are `host:port`.
pub(super) struct Layout<'a> {
    pub(super) folder: &'a Path,
    pub(super) listen: &'a str,
    pub(super) tokenry: &'a str,
    pub(super) app: &'a str,
}

impl Layout<'_> {
    /// A recipe with each first text replaced by the second, and with these addresses.
    pub(super) fn recipe(&self, name: &str, changes: &[(&str, &str)]) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy").join(name);
        let mut text = fs::read_to_string(path).expect("a recipe");
        for (from, to) in changes {
            assert!(text.contains(from), "{name} has no {from}");
            text = text.replace(from, to);
        }
        for (written, address) in
            [("127.0.0.1:8000", self.listen), ("127.0.0.1:8080", self.tokenry), ("127.0.0.1:9000", self.app)]
        {
            // Envoy has host and port in two fields.
            let [written_fields, fields] = [written, address].map(|address| {
                let (host, port) = address.rsplit_once(':').expect("a port");
                format!("address: {host}, port_value: {port} ")
            });
            text = text.replace(written, address).replace(&written_fields, &fields);
        }
        text
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Kind {
    /// The path of the program. On a build server it must exist.
    pub(super) fn program(self) -> Option<PathBuf> {
        let fetched = |name| Some(programs::fetched(env!("CARGO_TARGET_TMPDIR"), "proxies")?.join(name));
        match self {
            Self::Nginx => programs::installed(&["nginx"]),
            Self::Caddy => programs::installed(&["caddy"]),
            Self::Traefik => fetched("bin/traefik"),
            Self::Envoy => fetched("bin/envoy"),
            Self::AuthOpenidc | Self::OAuth2 => apache::program(self),
        }
    }

    /// The command that runs the program with its changed recipe.
    pub(super) fn command(self, program: &Path, layout: &Layout<'_>, changes: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(layout.folder);
        match self {
            Self::Nginx => nginx(&mut command, layout, changes),
            Self::Caddy => caddy(&mut command, layout, changes),
            Self::Traefik => traefik(&mut command, layout, changes),
            Self::Envoy => envoy(&mut command, layout, changes),
            Self::AuthOpenidc | Self::OAuth2 => apache::configure(self, &mut command, layout, changes),
        }
        command
    }
}

fn nginx(command: &mut Command, layout: &Layout<'_>, changes: &[(&str, &str)]) {
    layout.write("app.conf", &layout.recipe("nginx.conf", changes));
    let root = layout.folder.display();
    let main = format!(
        "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log {root}/log;\nevents {{}}\n\
         http {{\n access_log off;\n client_body_temp_path {root}/1;\n proxy_temp_path {root}/2;\n\
         fastcgi_temp_path {root}/3;\n uwsgi_temp_path {root}/4;\n scgi_temp_path {root}/5;\n\
         include {root}/app.conf;\n}}\n"
    );
    command.arg("-p").arg(layout.folder).arg("-c").arg(layout.write("nginx.conf", &main));
    command.arg("-e").arg(layout.folder.join("log"));
}

fn caddy(command: &mut Command, layout: &Layout<'_>, changes: &[(&str, &str)]) {
    // Tests connect by address and may send any host name.
    let (host, port) = layout.listen.split_once(':').expect("a port");
    let listen = format!("http://:{port} {{\n\tbind {host}");
    let site = layout.recipe("Caddyfile", changes).replace("app.example.org {", &listen);
    let file = layout.write("Caddyfile", &format!("{{\n\tadmin off\n}}\n{site}"));
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(variable, layout.folder);
    }
}

fn traefik(command: &mut Command, layout: &Layout<'_>, changes: &[(&str, &str)]) {
    let file = layout.write("app.yaml", &layout.recipe("traefik.yaml", changes));
    let file = file.to_str().expect("a path in UTF-8");
    let main = layout.recipe("traefik-static.yaml", &[]);
    assert!(main.contains("/etc/traefik/app.yaml"), "{main}");
    let main = layout.write("static.yaml", &main.replace("/etc/traefik/app.yaml", file));
    command.arg(format!("--configFile={}", main.display()));
}

fn envoy(command: &mut Command, layout: &Layout<'_>, changes: &[(&str, &str)]) {
    let file = layout.write("envoy.yaml", &layout.recipe("envoy.yaml", changes));
    // Several run at the same time, and each has one thread.
    command
        .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warn", "--config-path"])
        .arg(file);
}
