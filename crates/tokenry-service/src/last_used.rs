//! When and from where each token was last used, written behind the answers.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokenry_domain::{TokenId, UnixMillis};
use tokenry_store::{Store, StoreError, token};

use crate::{
    periodic::{Left, Periodic},
    tokenry::Tokenry,
    verify::VerifiedToken,
};

/// How often the uses are written. After `kill -9` at most the last interval is lost.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many tokens' uses may wait; further tokens are left out until the next write.
const WAITING: usize = 100_000;
/// How many tokens share one transaction.
const BATCH: usize = 200;
/// A use this soon after the one that is stored, from the same address, is not worth a write.
const COALESCED: Duration = Duration::from_secs(60);

pub(crate) struct LastUsed {
    waiting: Waiting,
    _thread: Periodic,
}

type Waiting = Arc<Mutex<HashMap<TokenId, (UnixMillis, Option<IpAddr>)>>>;

impl LastUsed {
    pub(crate) fn start(store: Store) -> Result<Self, StoreError> {
        let waiting = Waiting::default();
        let uses = waiting.clone();
        let thread = Periodic::start("tokenry-last-used", INTERVAL, move || write(&store, &uses))?;
        Ok(Self { waiting, _thread: thread })
    }
}

impl Tokenry {
    /// Notes that a token was used at `now` from `source`. It returns at once; the note is written within a second,
    /// and before the last clone of this service is dropped.
    pub fn record_use(&self, verified: &VerifiedToken, now: UnixMillis, source: Option<IpAddr>) {
        let token = verified.token();
        let is_recent = token.last_used_at.is_some_and(|last| now.since(last) < COALESCED);
        if is_recent && token.last_used_ip == source {
            return;
        }
        wait(&mut locked(&self.0.last_used.waiting), token.id, (now, source));
    }
}

fn write(store: &Store, waiting: &Waiting) -> Left {
    let uses: Vec<_> = std::mem::take(&mut *locked(waiting)).into_iter().collect();
    let mut held_up = false;
    for (index, batch) in uses.chunks(BATCH).enumerate() {
        let rows = batch.to_vec();
        let written = store.write(move |tx| {
            let ids: Vec<TokenId> = rows.iter().map(|(id, _)| *id).collect();
            let free: HashSet<TokenId> = token::lock_free(tx, &ids)?.into_iter().collect();
            let (free, held): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(id, _)| free.contains(id));
            for (id, (at, ip)) in free {
                token::mark_used(tx, id, at, ip)?;
            }
            // Those that somebody changes at this moment are tried again, those that are gone are not.
            let mut left = Vec::new();
            for (id, used) in held {
                if token::find(tx, id)?.is_some() {
                    left.push((id, used));
                }
            }
            Ok::<_, StoreError>(left)
        });
        let left = match written {
            Ok(left) => left,
            Err(error) => {
                // One refusal is enough: neither the next batch nor, at the end, the next round waits for it again.
                let unwritten = uses.get(index * BATCH..).unwrap_or_default();
                tracing::warn!(%error, tokens = unwritten.len(), "last uses were not written and wait");
                put_back(waiting, unwritten);
                return Left::Nothing;
            }
        };
        held_up |= !left.is_empty();
        put_back(waiting, &left);
    }
    if held_up { Left::Something } else { Left::Nothing }
}

fn put_back(waiting: &Waiting, uses: &[(TokenId, (UnixMillis, Option<IpAddr>))]) {
    let mut waiting = locked(waiting);
    for (id, used) in uses {
        wait(&mut waiting, *id, *used);
    }
}

/// Keeps the newest use of each token, of as many as may wait.
fn wait(
    waiting: &mut HashMap<TokenId, (UnixMillis, Option<IpAddr>)>,
    id: TokenId,
    used: (UnixMillis, Option<IpAddr>),
) {
    if waiting.len() >= WAITING && !waiting.contains_key(&id) {
        return;
    }
    let known = waiting.entry(id).or_insert(used);
    if known.0 < used.0 {
        *known = used;
    }
}

fn locked(waiting: &Waiting) -> MutexGuard<'_, HashMap<TokenId, (UnixMillis, Option<IpAddr>)>> {
    // A panic cannot leave the map half changed.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
