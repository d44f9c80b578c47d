//! The source address of a request.

use std::net::SocketAddr;

use http::Request;
use tokenry_service::client_ip::{ClientIp, TrustedProxies};

/// Request extension: the peer of the connection. With axum, `into_make_service_with_connect_info` is enough; other
/// servers insert it themselves.
///
/// SECURITY: without one the source of every request is unknown, and tokens that are bound to addresses are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The source address of a request by the trusted proxies.
pub(crate) fn source<B>(request: &Request<B>, proxies: &TrustedProxies) -> ClientIp {
    let lines = |name: &str| request.headers().get_all(name).iter().map(|line| line.as_bytes()).collect();
    proxies.source(peer(request).map(|peer| peer.ip()), lines)
}

fn peer<B>(request: &Request<B>) -> Option<SocketAddr> {
    let own = request.extensions().get::<PeerAddress>().map(|PeerAddress(peer)| *peer);
    #[cfg(feature = "axum")]
    let own = own.or_else(|| {
        request.extensions().get::<axum::extract::ConnectInfo<SocketAddr>>().map(|connection| connection.0)
    });
    own
}
