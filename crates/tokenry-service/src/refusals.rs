//! Records refused requests for the audit log.

pub(crate) mod queue;

use std::net::{IpAddr, Ipv6Addr};

use tokenry_domain::{EventKind, Token, UnixMillis};

use self::queue::Key;
use crate::{caller::Caller, tokenry::Tokenry, verified::Rejection};

impl Tokenry {
    /// Notes that a credential from `source` was refused that is nobody's, for the audit log; `code` names why. It
    /// returns at once. What [`verify`](Self::verify) and `sign_in` refuse although the secret or the signature is right,
    /// they note themselves.
    pub fn record_failure(&self, code: &'static str, source: Option<IpAddr>, now: UnixMillis) {
        let source = source.map(network);
        let key = Key { kind: EventKind::RequestFailed, source, user_id: None, token_id: None, code };
        self.0.refusals.count(key, now);
    }

    /// Notes that the right secret of a token was refused.
    pub(crate) fn record_rejection(
        &self,
        rejection: Rejection,
        token: &Token,
        source: Option<IpAddr>,
        now: UnixMillis,
    ) {
        let key = Key {
            kind: EventKind::RequestFailed,
            source: source.map(network),
            user_id: Some(token.user_id),
            token_id: Some(token.id),
            code: rejection.code(),
        };
        self.0.refusals.count(key, now);
    }

    /// Notes that a caller asked for what they may not, for the audit log; `code` names why. It returns at once.
    pub fn record_forbidden(
        &self,
        caller: &Caller,
        code: &'static str,
        source: Option<IpAddr>,
        now: UnixMillis,
    ) {
        let key = Key {
            kind: EventKind::RequestForbidden,
            source,
            user_id: caller.user().map(|user| user.id),
            token_id: caller.token().map(|token| token.id),
            code,
        };
        self.0.refusals.count(key, now);
    }
}

/// An IPv6 network of /64 is one source: what one customer is given.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
        ip => ip,
    }
}
