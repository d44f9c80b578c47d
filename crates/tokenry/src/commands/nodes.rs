//! `tokenry nodes`

use serde_json::{Value, json};
use tokenry_service::{Node, Nodes, Store};

use crate::output::{CliError, Console, View};

/// Lists the nodes of the installation.
pub(crate) fn run(store: &Store, console: &mut Console) -> Result<(), CliError> {
    let found = store.nodes()?;
    let rows = found.iter().flat_map(|found| found.nodes.iter().map(|node| row(node, found)));
    let ids = found.iter().flat_map(|found| found.nodes.iter().map(|node| node.id.to_string()));
    let json = found.iter().flat_map(|found| found.nodes.iter().map(|node| json(node, found)));
    let headers = ["ID", "VERSION", "ADDRESS", "LEASE", "RENEWED", "ACKNOWLEDGED", "STATE"];
    let view = View::list(&headers, rows.collect(), ids.collect(), json.collect());
    console.answer(&view)?;
    match &found {
        None => console.note("SQLite has no nodes: each process on the file sees each change by itself"),
        Some(found) if found.nodes.is_empty() => console.note("no process decides from memory now"),
        Some(found) => console.note(&format!("the newest change is event {}", found.change_seq)),
    }
    Ok(())
}

fn row(node: &Node, found: &Nodes) -> Vec<String> {
    vec![
        node.id.to_string(),
        node.version.clone(),
        node.address.clone(),
        format!("{:.1} s", node.lease.as_secs_f32()),
        format!("{:.1} s ago", node.lease_age.as_secs_f32()),
        node.acked_seq.to_string(),
        found.state(node).as_str().to_owned(),
    ]
}

fn json(node: &Node, found: &Nodes) -> Value {
    json!({
        "id": node.id.to_string(),
        "version": node.version,
        "address": node.address,
        "lease_ms": u64::try_from(node.lease.as_millis()).unwrap_or(u64::MAX),
        "renewed_ms_ago": u64::try_from(node.lease_age.as_millis()).unwrap_or(u64::MAX),
        "acked_seq": node.acked_seq,
        "state": found.state(node).as_str(),
    })
}
