//! Records rejected requests for the audit log.

pub(crate) mod queue;

use std::net::IpAddr;

use tokenry_domain::{EventKind, Token, UnixMillis};

use self::queue::Key;
use crate::{caller::Caller, client_ip::source_network, tokenry::Tokenry, verified::Rejection};

impl Tokenry {
    /// Records in the audit log that an unknown credential from `source` was rejected, with the reason `code`. Returns
    /// immediately. [`verify`](Self::verify) and `sign_in` record rejections with a valid secret or signature themselves.
    pub fn record_failure(&self, code: &'static str, source: Option<IpAddr>, now: UnixMillis) {
        let source = source.map(source_network);
        let key = Key { kind: EventKind::RequestFailed, source, user_id: None, token_id: None, code };
        self.0.rejections.count(key, now);
    }

    /// Records that the valid secret of a token was rejected.
    pub(crate) fn record_rejection(
        &self,
        rejection: Rejection,
        token: &Token,
        source: Option<IpAddr>,
        now: UnixMillis,
    ) {
        let key = Key {
            kind: EventKind::RequestFailed,
            source: source.map(source_network),
            user_id: Some(token.user_id),
            token_id: Some(token.id),
            code: rejection.code(),
        };
        self.0.rejections.count(key, now);
    }

    /// Records in the audit log that a caller was forbidden a request, with the reason `code`. Returns immediately.
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
        self.0.rejections.count(key, now);
    }
}
