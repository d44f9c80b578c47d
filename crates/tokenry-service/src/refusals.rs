//! Refused requests in the audit log: counted, and written once a minute for each source and token.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokenry_domain::{Actor, EventKind, Origin, Token, TokenId, UnixMillis, UserId};
use tokenry_store::{Store, StoreError};

use crate::{
    audit::{Signature, detail},
    caller::Caller,
    periodic::{Left, Periodic},
    tokenry::Tokenry,
    verify::Rejection,
};

/// How often the counts are written. After `kill -9` at most the last interval is lost.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many different refusals of each kind are told apart in one interval; all further ones are counted together, so
/// that a flood of wrong credentials does not hide who was forbidden something.
const KINDS: usize = 256;

pub(crate) struct Refusals {
    counts: Counts,
    _thread: Periodic,
}

type Counts = Arc<Mutex<HashMap<Key, Tally>>>;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: EventKind,
    source: Option<IpAddr>,
    user_id: Option<UserId>,
    token_id: Option<TokenId>,
    code: &'static str,
}

#[derive(Clone, Copy)]
struct Tally {
    count: u64,
    first: UnixMillis,
    last: UnixMillis,
}

impl Refusals {
    pub(crate) fn start(store: Store) -> Result<Self, StoreError> {
        let counts = Counts::default();
        let written = counts.clone();
        let workers = store.workers().clone();
        let thread = Periodic::start(&workers, "refusals", INTERVAL, move || write(&store, &written))?;
        Ok(Self { counts, _thread: thread })
    }

    fn count(&self, key: Key, now: UnixMillis) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = counts.contains_key(&key);
        let key = match key {
            // A flood of what is nobody's must not hide what happens to somebody's token.
            Key { kind, code, token_id, .. }
                if !is_known
                    && counts
                        .keys()
                        .filter(|known| (known.kind, known.token_id.is_some()) == (kind, token_id.is_some()))
                        .count()
                        >= KINDS =>
            {
                Key { kind, source: None, user_id: None, token_id: None, code }
            }
            key => key,
        };
        let tally = counts.entry(key).or_insert(Tally { count: 0, first: now, last: now });
        tally.count += 1;
        tally.last = tally.last.max(now);
    }
}

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

fn write(store: &Store, counts: &Counts) -> Left {
    let taken = std::mem::take(&mut *counts.lock().unwrap_or_else(PoisonError::into_inner));
    if taken.is_empty() {
        return Left::Nothing;
    }
    let kinds = taken.len();
    let written = store.write_bookkeeping(move |tx| {
        let told = |(key, tally): (Key, Tally)| {
            let origin = Origin::new(key.source, None, None);
            let signature = Signature { actor: Actor::System, at: tally.last, origin };
            let fields = detail([
                ("reason", Value::from(key.code)),
                ("count", Value::from(tally.count)),
                ("first_at", Value::from(tally.first.to_string())),
                ("last_at", Value::from(tally.last.to_string())),
            ]);
            signature.event(key.kind, key.user_id, key.token_id, fields)
        };
        tx.append(&taken.into_iter().map(told).collect::<Vec<_>>(), tokenry_crypto::link)
    });
    if let Err(error) = written {
        // They are in the log of the process as well; a database that is away must not fill the memory.
        tracing::warn!(%error, kinds, "refused requests were not written into the audit log");
    }
    Left::Nothing
}
