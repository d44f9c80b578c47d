//! The order in which planned rows are stored.
//!
//! Each row changes a page of the indexes by public id, by owner and by the id in the other system. In the order of one of
//! them, neighbours change distant pages of the others, so each transaction writes most pages of these. Therefore the rows
//! are halved again and again, each time by the index with the most pages: then neighbours are close in all of them.

use std::{cmp::Ordering, collections::HashSet};

use tokenry_domain::UserId;

use super::PlannedRow;

/// The most rows that are sorted by their public ids alone; a transaction stores about as many or more.
const LEAF: usize = 500;
/// About how many entries one page of an index has.
const ENTRIES: usize = 64;

/// A row as the indexes see it.
struct Entry<'r> {
    public_id: &'r str,
    owner: UserId,
    source_id: &'r str,
    /// Its place before.
    position: usize,
}

/// An index, and about how many of its pages the rows change.
#[derive(Clone, Copy)]
struct Index {
    compare: fn(&Entry<'_>, &Entry<'_>) -> Ordering,
    pages: usize,
}

/// Puts rows, whose owners are known, into the order in which they are stored.
pub(super) fn sorted(rows: Vec<PlannedRow>) -> Vec<PlannedRow> {
    let mut entries: Vec<Entry<'_>> = rows
        .iter()
        .enumerate()
        .map(|(position, PlannedRow { token, source_id, .. })| Entry {
            public_id: token.public_id.as_str(),
            owner: token.user_id,
            source_id,
            position,
        })
        .collect();
    sort(&mut entries);
    let order: Vec<usize> = entries.into_iter().map(|entry| entry.position).collect();
    let mut rows: Vec<Option<PlannedRow>> = rows.into_iter().map(Some).collect();
    order.into_iter().filter_map(|position| rows.get_mut(position)?.take()).collect()
}

fn sort(entries: &mut [Entry<'_>]) {
    let owners = entries.iter().map(|entry| entry.owner).collect::<HashSet<_>>().len();
    let pages = entries.len() / ENTRIES;
    let indexes = [
        Index { compare: |a, b| a.public_id.cmp(b.public_id), pages },
        // The tokens and the audit log each have one by owner; the new entries of an owner are together.
        Index { compare: |a, b| a.owner.cmp(&b.owner), pages: 2 * owners.min(pages) },
        Index { compare: |a, b| a.source_id.cmp(b.source_id), pages },
    ];
    halve(entries, indexes);
}

fn halve(entries: &mut [Entry<'_>], mut indexes: [Index; 3]) {
    let largest = indexes.iter_mut().max_by_key(|index| index.pages);
    match largest {
        Some(index) if entries.len() > LEAF => {
            let middle = entries.len() / 2;
            entries.select_nth_unstable_by(middle, index.compare);
            index.pages /= 2;
            let (low, high) = entries.split_at_mut(middle);
            halve(low, indexes);
            halve(high, indexes);
        }
        _ => entries.sort_unstable_by(|a, b| a.public_id.cmp(b.public_id)),
    }
}

#[cfg(test)]
mod tests {
    use tokenry_domain::UnixMillis;

    use super::*;

    const COUNT: usize = 16_000;

    /// How many pages of the indexes transactions of 1,000 rows change, all together.
    fn changed_pages(entries: &[Entry<'_>], owners: &[UserId]) -> usize {
        let number = |text: &str| text.parse::<usize>().unwrap();
        let changed = |unit: &[Entry<'_>]| {
            let mut pages = HashSet::new();
            for Entry { public_id, owner, source_id, .. } in unit {
                let owner = owners.binary_search(owner).unwrap() / (ENTRIES * owners.len() / COUNT).max(1);
                pages.extend([
                    (0, number(public_id) / ENTRIES),
                    (1, number(source_id) / ENTRIES),
                    (2, owner),
                    (3, owner),
                ]);
            }
            pages.len()
        };
        entries.chunks(1000).map(changed).sum()
    }

    #[test]
    fn a_transaction_changes_few_pages_of_each_index() {
        for owners in [10, COUNT] {
            let owner = |number: usize| {
                let random: [u8; 8] = number.to_be_bytes();
                UserId::new(
                    UnixMillis::new(1).unwrap(),
                    [[0; 2].as_slice(), &random].concat().try_into().unwrap(),
                )
            };
            let owners: Vec<UserId> = (0..owners).map(owner).collect();
            let texts: Vec<[String; 2]> = (0..COUNT)
                .map(|position| {
                    [position * 7919, position * 3011].map(|number| format!("{:05}", number % COUNT))
                })
                .collect();
            let mut entries: Vec<Entry<'_>> = texts
                .iter()
                .enumerate()
                .map(|(position, [public_id, source_id])| Entry {
                    public_id,
                    owner: owners[position % owners.len()],
                    source_id,
                    position,
                })
                .collect();
            entries.sort_unstable_by_key(|entry| entry.public_id);
            let before = changed_pages(&entries, &owners);
            sort(&mut entries);
            let after = changed_pages(&entries, &owners);
            assert!(after * 3 < before * 2, "{} owners: {after} pages, before {before}", owners.len());
            let mut positions: Vec<usize> = entries.iter().map(|entry| entry.position).collect();
            positions.sort_unstable();
            assert!(positions.into_iter().eq(0..COUNT), "each row once");
        }
    }
}
