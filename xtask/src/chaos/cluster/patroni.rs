//! The configuration of the Patroni of one member.

use std::path::Path;

use serde_json::{Value, json};

use super::{EtcdApi, LEADER_TTL, SCOPE};

/// The addresses and places of one member.
pub(super) struct Layout<'l> {
    pub(super) name: &'l str,
    /// Where PostgreSQL listens.
    pub(super) port: u16,
    /// Where the other members reach it.
    pub(super) advertised_port: u16,
    pub(super) rest_port: u16,
    pub(super) api: EtcdApi,
    /// Where it reaches etcd.
    pub(super) etcd_port: u16,
    pub(super) folder: &'l Path,
    pub(super) data: &'l Path,
    /// The folder of PostgreSQL's programs.
    pub(super) programs: &'l Path,
}

/// The text of the file: JSON, which is YAML too.
pub(super) fn configuration(layout: &Layout<'_>) -> String {
    let on_loopback = |port: u16| format!("127.0.0.1:{port}");
    let folder = layout.folder.display().to_string();
    let api = match layout.api {
        EtcdApi::V2 => "etcd",
        EtcdApi::V3 => "etcd3",
    };
    json!({
        "scope": SCOPE,
        "name": layout.name,
        "restapi": {
            "listen": on_loopback(layout.rest_port),
            "connect_address": on_loopback(layout.rest_port),
        },
        // As a list of proxies, so that Patroni does not learn the address of etcd and go past the proxy.
        api: {"hosts": [on_loopback(layout.etcd_port)], "protocol": "http", "use_proxies": true},
        "bootstrap": {
            "dcs": shared(),
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "no-sync"],
        },
        "postgresql": {
            "listen": on_loopback(layout.port),
            "connect_address": on_loopback(layout.advertised_port),
            "bin_dir": layout.programs,
            "data_dir": layout.data,
            "pgpass": layout.folder.join(format!("{}.pgpass", layout.name)),
            "authentication": {
                "superuser": {"username": "postgres"},
                "replication": {"username": "replicator"},
                "rewind": {"username": "rewinder"},
            },
            "pg_hba": [
                "local all all trust",
                "host all all 127.0.0.1/32 trust",
                "host replication all 127.0.0.1/32 trust",
            ],
            "parameters": {"unix_socket_directories": folder},
            // A former primary whose history diverged becomes a standby without help.
            "remove_data_directory_on_rewind_failure": true,
            "remove_data_directory_on_diverged_timelines": true,
            "basebackup": [{"checkpoint": "fast"}, "no-sync"],
        },
        "watchdog": {"mode": "off"},
    })
    .to_string()
}

/// What all members share through etcd.
fn shared() -> Value {
    json!({
        "ttl": LEADER_TTL.as_secs(),
        "loop_wait": 1,
        "retry_timeout": 2,
        "maximum_lag_on_failover": 16 * 1024 * 1024,
        "synchronous_mode": true,
        "synchronous_mode_strict": true,
        // A primary that crashed is replaced at once, not restarted.
        "primary_start_timeout": 0,
        "postgresql": {
            "use_pg_rewind": true,
            "use_slots": true,
            "parameters": {
                "max_connections": 200,
                "shared_buffers": "32MB",
                "wal_keep_size": "128MB",
                "wal_log_hints": "on",
                "synchronous_commit": "on",
                "wal_sender_timeout": "5s",
                "wal_receiver_timeout": "5s",
                // Processes are killed here, never the machine.
                "fsync": "off",
                // Nothing of a killed server remains in /dev/shm.
                "dynamic_shared_memory_type": "mmap",
                "log_line_prefix": "%m [%p] %a ",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_members_reach_a_member_through_its_proxy() {
        let layout = Layout {
            name: "m1",
            port: 1,
            advertised_port: 2,
            rest_port: 3,
            api: EtcdApi::V2,
            etcd_port: 4,
            folder: Path::new("/f"),
            data: Path::new("/f/m1"),
            programs: Path::new("/bin"),
        };
        let text: Value = serde_json::from_str(&configuration(&layout)).unwrap();
        assert_eq!(text["postgresql"]["listen"], "127.0.0.1:1");
        assert_eq!(text["postgresql"]["connect_address"], "127.0.0.1:2");
        assert_eq!(text["etcd"]["hosts"], json!(["127.0.0.1:4"]));
        assert_eq!(text["bootstrap"]["dcs"]["ttl"], 6);
    }
}
