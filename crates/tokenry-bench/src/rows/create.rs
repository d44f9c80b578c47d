//! Creations over HTTP, against plain inserts of the same row with the same durability.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokenry_domain::UnixMillis;
use tokenry_store::{Store, StoreError, token};

use crate::{
    bench::Bench,
    client::{Stream, run_for},
    database::Database,
    figure::{Figure, Outcome, median},
    population::{HashSource, Population},
    traffic::{Repeated, post},
};

/// Users who create tokens at the same time.
const WRITERS: u64 = 16;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let makers = Population { owners: WRITERS, ..Population::live("makers", WRITERS) };
    // Separate databases, so that neither load waits for the locks of the other.
    let created = bench.own(std::slice::from_ref(&makers))?;
    let plain = bench.own(&[Population::live("owner", 1)])?;
    let server = bench.server(&created)?;
    let body = r#"{"name":"bench","scopes":["demo:read"]}"#;
    let texts = (0..WRITERS).map(|number| post("/api/v1/tokens", &makers.text(number), body));
    let mut requests = Repeated::in_order(texts, 201);
    let (mut rounds, mut ours, mut base) = (Vec::new(), Vec::new(), Vec::new());
    let next = AtomicU64::new(0);
    for _ in 0..bench.sizes.rounds {
        let alone = inserts(&plain, 1, bench.sizes.phase, &next)?;
        let together = inserts(&plain, WRITERS, bench.sizes.phase, &next)?;
        let stream = Stream::saturated(server.address, usize::try_from(WRITERS)?, &mut requests);
        let creations = run_for(stream, bench.sizes.phase)?.per_second();
        rounds.push(creations / alone.max(together));
        ours.push(creations);
        base.push(alone.max(together));
    }
    let detail = format!(
        "{:.0} creations/s against {:.0} plain inserts/s, the better of one and {WRITERS} writers",
        median(&ours),
        median(&base)
    );
    let mut figure = Figure::ratio(rounds, detail);
    figure.others.extend([("per_second_ours", median(&ours)), ("per_second_base", median(&base))]);
    Ok(Outcome::Measured(figure))
}

/// Inserts per second by as many writers. Each has its own store, so that every row is a transaction of its own.
fn inserts(database: &Database, writers: u64, time: Duration, next: &AtomicU64) -> Result<f64> {
    let stores = (0..writers).map(|_| database.store()).collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    let count = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for store in stores {
            threads.push(scope.spawn(move || insert_until(&store, database.now, begun + time, next)));
        }
        threads.into_iter().try_fold(0_u64, |sum, thread| {
            let count = thread.join().ok().context("a writer panicked")??;
            Ok::<_, anyhow::Error>(sum + count)
        })
    })?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = count as f64;
    Ok(count / begun.elapsed().as_secs_f64())
}

fn insert_until(store: &Store, now: UnixMillis, end: Instant, next: &AtomicU64) -> Result<u64> {
    // Larger than all existing numbers; the owner is that of the only token in the database.
    let rows = Population::live("plain", 100_000_000);
    let owner = Population::live("owner", 1).owner(0, now)?.id;
    let (mut maker, mut count) = (HashSource::new()?, 0);
    while Instant::now() < end {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let mut row = rows.import(number, now, &mut maker)?;
        row.token.user_id = owner;
        let written = store.write(move |tx| token::insert(tx, &row.token, &row.secret));
        match written {
            Ok(()) => count += 1,
            // On SQLite a writer may wait too long for another one; such an insert is not counted.
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(count)
}
