//! The nodes of the installation.

use serde::Serialize;
use utoipa::ToSchema;

/// The processes that decide from memory. On SQLite there are none: each process sees each change by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeList {
    /// The sequence number of the newest event of the audit log that changed a token, a user or a session; `null` on SQLite.
    #[schema(required = true)]
    change_seq: Option<i64>,
    /// The nodes, in the order in which they were registered.
    data: Vec<Node>,
}

/// A process that verifies tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct Node {
    /// A new one each time the process registers.
    #[schema(format = "uuid")]
    id: String,
    /// The version of its program.
    version: String,
    /// Its address as the database sees it, and its process id.
    address: String,
    /// How long its leases run.
    lease_ms: u64,
    /// How long ago it last renewed its lease.
    renewed_ms_ago: u64,
    /// Every event up to this one is applied to the rows in its memory.
    acked_seq: i64,
    /// `current`; `behind` if it has not acknowledged the newest change yet; `silent` if it did not renew its lease in time.
    #[schema(value_type = crate::wire::schema::NodeState)]
    state: &'static str,
}

impl From<Option<tokenry_service::Nodes>> for NodeList {
    fn from(found: Option<tokenry_service::Nodes>) -> Self {
        let nodes = found.iter().flat_map(|found| found.nodes.iter().map(|node| Node::new(node, found)));
        Self { change_seq: found.as_ref().map(|found| found.change_seq), data: nodes.collect() }
    }
}

impl Node {
    fn new(node: &tokenry_service::Node, found: &tokenry_service::Nodes) -> Self {
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: node.id.to_string(),
            version: node.version.clone(),
            address: node.address.clone(),
            lease_ms: millis(node.lease),
            renewed_ms_ago: millis(node.lease_age),
            acked_seq: node.acked_seq,
            state: found.state(node).as_str(),
        }
    }
}
