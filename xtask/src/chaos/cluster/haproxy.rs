//! HAProxy, which leads to the member whose Patroni says that it is the primary.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Member;
use crate::chaos::folder::Folder;
use crate::chaos::ports;
use crate::chaos::process::Process;
use crate::chaos::wait;

pub(super) struct HaProxy {
    _process: Process,
    port: u16,
}

impl HaProxy {
    pub(super) fn start(program: &Path, folder: &Folder, members: &[Member]) -> Result<Self> {
        let port = ports::free()?;
        let ports: Vec<_> = members.iter().map(|member| (member.port(), member.rest_port())).collect();
        let configuration = folder.write("haproxy.cfg", &text(port, &ports))?;
        let mut command = Command::new(program);
        command.args(["-db", "-f"]).arg(configuration);
        let mut process = Process::spawn(command, "haproxy", folder)?;
        wait::until("HAProxy listens", Duration::from_secs(10), || {
            process.check_running()?;
            Ok(TcpStream::connect(("127.0.0.1", port))?)
        })?;
        Ok(Self { _process: process, port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// The configuration that Patroni's documentation recommends, with shorter intervals.
fn text(port: u16, members: &[(u16, u16)]) -> String {
    let mut text = format!(
        "global\n  maxconn 2000\n  log stdout format raw local0 notice\n\
         defaults\n  mode tcp\n  log global\n  retries 2\n  timeout connect 1s\n  timeout client 30m\n  \
         timeout server 30m\n  timeout check 1s\n\
         listen primary\n  bind 127.0.0.1:{port}\n  option httpchk OPTIONS /primary\n  \
         http-check expect status 200\n  \
         default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions\n"
    );
    for (index, (postgres, rest)) in members.iter().enumerate() {
        let line = format!("  server m{} 127.0.0.1:{postgres} maxconn 300 check port {rest}", index + 1);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn every_member_is_checked_at_its_patroni() {
        let text = text(5000, &[(1, 2), (3, 4)]);
        assert!(text.contains("bind 127.0.0.1:5000\n"), "{text}");
        assert!(text.ends_with("  server m2 127.0.0.1:3 maxconn 300 check port 4\n"), "{text}");
    }
}
