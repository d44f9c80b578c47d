//! What a node remembers of the last hour: every change that took something away, with the digest of its event.
//!
//! The digest of an event covers all events before it. So the database has an event, and all before it, exactly if it has
//! the same digest under its number; the newest common event is found by halving, and what is remembered after it was lost.

use std::{collections::VecDeque, time::Duration};

use tokenry_domain::{EventKind, TokenId, UserId};

use super::statements::Change;
use crate::{error::StoreError, history::RememberedChange, instance::ChainHead, steady_clock as clock};

/// How long a change is remembered.
pub(super) const SPAN: Duration = Duration::from_secs(3600);
/// The most changes that are remembered.
const MAX_CHANGES: usize = 1 << 16;
/// The most bytes of their details.
const MAX_BYTES: usize = 16 << 20;

/// The memory of a node.
#[derive(Clone, Default)]
pub(super) struct History {
    /// When each change was heard of, by the steady clock, and the change; oldest first.
    changes: VecDeque<(u64, RememberedChange)>,
    /// The event before the oldest of them.
    base: Option<ChainHead>,
    /// The newest event that was heard of.
    head: Option<ChainHead>,
    /// The bytes of the details.
    bytes: usize,
    /// When a change was forgotten because there were too many, by the steady clock.
    overflow: Option<u64>,
    /// How often the end was cut off or the base set, and how many changes were ever added.
    cuts: u64,
    added: u64,
}

/// What the database has of what is remembered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Nothing is remembered.
    Empty,
    /// All of it.
    Same(ChainHead),
    /// Not all.
    Lost(Loss),
}

/// What was lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// The newest event that the database still has; `None` if it has not even the oldest that is remembered.
    pub(super) common: Option<ChainHead>,
    /// How many events were lost, at most.
    pub(super) events: u64,
    /// The changes after it.
    pub(super) changes: Vec<RememberedChange>,
    /// Changes of the last hour may have been lost that were forgotten, because there were too many.
    pub(super) is_overflown: bool,
}

impl History {
    /// The newest event that was heard of.
    pub(super) fn head(&self) -> Option<ChainHead> {
        self.head
    }

    /// The event before the oldest change.
    pub(super) fn base(&self) -> Option<ChainHead> {
        self.base
    }

    /// Differs once there is something to write: its first part if all is to be written again, its second part for each
    /// added change.
    pub(super) fn version(&self) -> (u64, u64) {
        (self.cuts, self.added)
    }

    /// The changes that were added after so many, each with when it was heard of.
    pub(super) fn added_after(&self, added: u64) -> impl Iterator<Item = &(u64, RememberedChange)> {
        let new = usize::try_from(self.added - added).unwrap_or(usize::MAX);
        self.changes.iter().skip(self.changes.len().saturating_sub(new))
    }

    /// Goes on from this event.
    pub(super) fn advance(&mut self, head: ChainHead) {
        if self.base.is_none() {
            self.base = Some(head);
            self.cuts += 1;
        }
        self.head = Some(head);
    }

    /// Remembers those events that took something away.
    pub(super) fn observe(&mut self, events: &[Change]) {
        let now = clock::steady_now();
        let known = self.head.map_or(0, |head| head.seq);
        for event in events.iter().filter(|event| event.seq > known) {
            if event.kind.is_none_or(EventKind::takes_away) {
                self.remember(now, remembered(event));
            }
        }
        if let Some(last) = events.last().filter(|last| last.seq > known) {
            self.advance(ChainHead { seq: last.seq, hash: last.hash });
        }
        self.forget_old(now);
    }

    /// Adds a change that was heard of at `at`.
    pub(super) fn remember(&mut self, at: u64, change: RememberedChange) {
        // Without an older event to compare, the change itself is the oldest.
        self.base.get_or_insert(ChainHead { seq: change.seq, hash: change.hash });
        self.head = Some(ChainHead { seq: change.seq, hash: change.hash });
        self.bytes += change.detail.len();
        self.changes.push_back((at, change));
        self.added += 1;
        while self.changes.len() > MAX_CHANGES || self.bytes > MAX_BYTES {
            if self.overflow.is_none_or(|before| at.saturating_sub(before) > clock::micros(SPAN)) {
                tracing::warn!(
                    changes = self.changes.len(),
                    "more was taken away within an hour than this node remembers; a loss that reaches back further is not repaired"
                );
            }
            self.overflow = Some(at);
            self.forget_first();
        }
    }

    /// Forgets what is too old.
    pub(super) fn forget_old(&mut self, now: u64) {
        let oldest = now.saturating_sub(clock::micros(SPAN));
        while self.changes.front().is_some_and(|(at, _)| *at < oldest) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, change)) = self.changes.pop_front() {
            self.bytes -= change.detail.len();
            self.base = Some(ChainHead { seq: change.seq, hash: change.hash });
        }
    }

    /// Compares with the database, whose event of a number has the digest that `digest_of` returns.
    pub(super) fn compare(
        &self,
        mut digest_of: impl FnMut(i64) -> Result<Option<[u8; 32]>, StoreError>,
    ) -> Result<Comparison, StoreError> {
        let (Some(head), Some(base)) = (self.head, self.base) else { return Ok(Comparison::Empty) };
        let mut has = |event: ChainHead| {
            Ok::<_, StoreError>(event.seq == 0 || digest_of(event.seq)? == Some(event.hash))
        };
        if has(head)? {
            return Ok(Comparison::Same(head));
        }
        let (mut kept, mut lost) = (0, self.changes.len());
        while kept < lost {
            let middle = kept.midpoint(lost);
            match self.changes.get(middle) {
                Some((_, change)) if has(ChainHead { seq: change.seq, hash: change.hash })? => {
                    kept = middle + 1
                }
                _ => lost = middle,
            }
        }
        let common = match kept.checked_sub(1).and_then(|last| self.changes.get(last)) {
            Some((_, change)) => Some(ChainHead { seq: change.seq, hash: change.hash }),
            None if has(base)? => Some(base),
            None => None,
        };
        let oldest = clock::steady_now().saturating_sub(clock::micros(SPAN));
        Ok(Comparison::Lost(Loss {
            events: u64::try_from(head.seq - common.unwrap_or(base).seq).unwrap_or(0),
            is_overflown: common.is_none() && self.overflow.is_some_and(|at| at >= oldest),
            common,
            changes: self.changes.iter().skip(kept).map(|(_, change)| change.clone()).collect(),
        }))
    }

    /// Forgets what was lost, once it is in force again: it continues after `common`, where it finds the new events.
    pub(super) fn rebase(&mut self, common: Option<ChainHead>) {
        let Some(common) = common else {
            *self = Self { cuts: self.cuts + 1, added: self.added, ..Self::default() };
            return;
        };
        while self.changes.back().is_some_and(|(_, change)| change.seq > common.seq) {
            if let Some((_, change)) = self.changes.pop_back() {
                self.bytes -= change.detail.len();
            }
        }
        self.head = Some(common);
        self.cuts += 1;
    }
}

/// What is remembered of an event; of a kind that says all without its detail.
fn remembered(event: &Change) -> RememberedChange {
    let detail = match event.kind {
        Some(
            EventKind::TokenRevoked
            | EventKind::UserDisabled
            | EventKind::UserEnabled
            | EventKind::UserDeleted,
        ) => None,
        _ => event.detail.as_deref(),
    };
    RememberedChange {
        seq: event.seq,
        hash: event.hash,
        kind: event.kind,
        user_id: event.user_id.map(UserId::from_uuid),
        token_id: event.token_id.map(TokenId::from_uuid),
        detail: detail.unwrap_or_default().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The event with this number, of one of several chains.
    fn event(chain: u8, seq: i64, kind: EventKind) -> Change {
        let hash = |seq: i64| {
            let mut hash = [chain; 32];
            hash[..8].copy_from_slice(&seq.to_be_bytes());
            hash
        };
        Change {
            seq,
            kind: Some(kind),
            user_id: None,
            token_id: None,
            prev_hash: hash(seq - 1),
            hash: hash(seq),
            detail: Some("{}".to_owned()),
        }
    }

    /// A memory of ten events after the first, of which those with even numbers took something away.
    fn history() -> History {
        let mut history = History::default();
        history.advance(head(&event(1, 1, EventKind::TokenCreated)));
        let kind = |seq| if seq % 2 == 0 { EventKind::TokenRevoked } else { EventKind::TokenCreated };
        history.observe(&(2..=11).map(|seq| event(1, seq, kind(seq))).collect::<Vec<_>>());
        history
    }

    fn head(event: &Change) -> ChainHead {
        ChainHead { seq: event.seq, hash: event.hash }
    }

    /// Compares with a database that has this chain up to event `kept`, and another one after it.
    fn compare(history: &History, kept: i64) -> Comparison {
        history
            .compare(|seq| {
                let chain = if seq <= kept { 1 } else { 2 };
                Ok((seq <= 20).then(|| event(chain, seq, EventKind::TokenCreated).hash))
            })
            .unwrap()
    }

    #[test]
    fn what_comes_after_the_newest_common_event_was_lost() {
        let history = history();
        assert_eq!(compare(&history, 11), Comparison::Same(head(&event(1, 11, EventKind::TokenCreated))));
        for (kept, common, lost) in [
            (10, Some(10), &[][..]),
            (9, Some(8), &[10]),
            (8, Some(8), &[10]),
            (4, Some(4), &[6, 8, 10]),
            (1, Some(1), &[2, 4, 6, 8, 10]),
            (0, None, &[2, 4, 6, 8, 10]),
        ] {
            let Comparison::Lost(loss) = compare(&history, kept) else { panic!("{kept}") };
            assert_eq!(loss.common.map(|common| common.seq), common, "{kept}");
            assert_eq!(loss.changes.iter().map(|change| change.seq).collect::<Vec<_>>(), lost, "{kept}");
            assert_eq!(loss.events, u64::try_from(11 - common.unwrap_or(1)).unwrap());
            assert!(!loss.is_overflown);
        }
        assert_eq!(History::default().compare(|_| Ok(None)).unwrap(), Comparison::Empty);
    }

    #[test]
    fn a_repaired_history_goes_on_after_the_newest_common_event() {
        let mut history = history();
        let common = head(&event(1, 4, EventKind::TokenRevoked));
        history.rebase(Some(common));
        assert_eq!(history.head(), Some(common));
        history.observe(&[event(2, 5, EventKind::TokenRevoked)]);
        let Comparison::Lost(loss) = compare(&history, 11) else { panic!() };
        assert_eq!(loss.changes.iter().map(|change| change.seq).collect::<Vec<_>>(), [5]);
        history.rebase(None);
        assert_eq!(compare(&history, 11), Comparison::Empty);
    }

    #[test]
    fn events_that_are_read_twice_are_remembered_once() {
        let mut history = history();
        let before = history.changes.clone();
        history.observe(&[event(1, 10, EventKind::TokenRevoked), event(1, 11, EventKind::TokenCreated)]);
        assert_eq!(history.changes, before);
    }

    #[test]
    fn the_memory_is_bounded_and_says_when_it_was_too_small() {
        let mut history = history();
        let last = 12 + i64::try_from(MAX_CHANGES).unwrap();
        history.observe(&(12..=last).map(|seq| event(1, seq, EventKind::TokenRevoked)).collect::<Vec<_>>());
        assert_eq!(history.changes.len(), MAX_CHANGES);
        let compare = |kept| {
            let digest_of =
                |seq| Ok(Some(event(if seq <= kept { 1 } else { 2 }, seq, EventKind::TokenCreated).hash));
            history.compare(digest_of).unwrap()
        };
        let Comparison::Lost(loss) = compare(last - 1) else { panic!() };
        assert!(!loss.is_overflown && loss.changes.len() == 1, "what is remembered can be repaired");
        let Comparison::Lost(loss) = compare(5) else { panic!() };
        assert!(loss.is_overflown && loss.common.is_none());
    }

    #[test]
    fn long_details_are_bounded_too_and_old_changes_are_forgotten() {
        let mut history = History::default();
        let long = "x".repeat(MAX_BYTES / 4);
        for seq in 1..=9 {
            let change = Change { detail: Some(long.clone()), ..event(1, seq, EventKind::TokenUpdated) };
            history.remember(clock::steady_now(), remembered(&change));
        }
        assert_eq!((history.changes.len(), history.bytes), (4, long.len() * 4));
        history.forget_old(clock::steady_now() + clock::micros(SPAN) + 60_000_000);
        assert_eq!((history.changes.len(), history.bytes), (0, 0));
        assert_eq!(history.base.map(|base| base.seq), Some(9), "the newest one that was forgotten");
    }
}
