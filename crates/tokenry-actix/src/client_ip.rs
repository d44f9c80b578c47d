//! The source address of a request, by the service's rules for trusted proxies.

use actix_web::{HttpRequest, web::Data};
pub use tokenry_service::client_ip::{ClientIp, TrustedProxies};

/// The source address of `req` by the app's [`TrustedProxies`].
pub(crate) fn of(req: &HttpRequest) -> ClientIp {
    let peer = req.peer_addr().map(|addr| addr.ip());
    let lines = |name: &str| req.headers().get_all(name).map(|line| line.as_bytes()).collect();
    match req.app_data::<Data<TrustedProxies>>() {
        Some(proxies) => proxies.source(peer, lines),
        None => TrustedProxies::default().source(peer, lines),
    }
}

/// Whether the connection comes from one of the app's [`TrustedProxies`].
pub(crate) fn is_trusted(req: &HttpRequest) -> bool {
    let proxies = req.app_data::<Data<TrustedProxies>>();
    proxies.zip(req.peer_addr()).is_some_and(|(proxies, peer)| proxies.trusts(peer.ip().to_canonical()))
}
