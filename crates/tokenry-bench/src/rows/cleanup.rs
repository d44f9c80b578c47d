//! Latency of verification during a cleanup.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::guarded::tokens;
use crate::{
    bench::Bench,
    client::{self, Stream, run_for},
    figure::{Figure, Outcome},
    latency::millis,
    population::{Population, State},
    server::{Server, tokenry},
    traffic::Requests,
};

/// Verifications per second.
const RATE: f64 = 1_000.0;
/// A cleanup that takes longer is stopped; the result covers the time until then.
const LONGEST: Duration = Duration::from_secs(180);

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let expired = Population { state: State::Expired, ..Population::live("expired", bench.sizes.expired) };
    // One round: it lasts for many phases, and afterwards there is nothing left to clean up.
    let database = bench.own(&[expired.clone(), small.clone()])?;
    let guard = bench.guard(&database, &[])?;
    let mut requests = tokens(&small);
    run_for(paced(&guard, &mut requests), bench.sizes.phase)?;
    let quiet = run_for(paced(&guard, &mut requests), bench.sizes.phase * 2)?;
    let mut command = tokenry(&bench.tokenry, &database.url, &bench.folder);
    command.args(["cleanup", "--quiet"]);
    let begun = Instant::now();
    let mut cleanup = command.spawn().context("cannot start the cleanup")?;
    let mut ended = None;
    let during = client::run(vec![paced(&guard, &mut requests)], || {
        ended = cleanup.try_wait().ok().flatten();
        ended.is_none() && begun.elapsed() < LONGEST
    });
    let took = begun.elapsed().as_secs_f64();
    let _ = cleanup.kill();
    let _ = cleanup.wait();
    let during = during?.into_iter().next().context("one stream")?.all_expected()?;
    let how = match ended {
        Some(status) => {
            ensure!(status.success(), "the cleanup failed: {status}");
            format!("done in {took:.1} s")
        }
        None => format!("stopped after {took:.0} s"),
    };
    let (quiet, busy) = (millis(quiet.latencies.at(0.99)), millis(during.latencies.at(0.99)));
    let detail = format!(
        "p99 {busy:.3} ms while `tokenry cleanup` removes {} rows ({how}), {quiet:.3} ms in quiet; {RATE}/s",
        expired.count
    );
    let mut figure = Figure::ratio(vec![busy / quiet], detail);
    figure.others.extend([("p99_ms_busy", busy), ("p99_ms_quiet", quiet), ("seconds", took)]);
    Ok(Outcome::Measured(figure))
}

fn paced<'r>(guard: &Server, requests: &'r mut dyn Requests) -> Stream<'r> {
    Stream::paced(guard.address, 16, RATE, requests)
}
