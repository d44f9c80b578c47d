//! Latency of valid requests during a flood of wrong secrets.

use std::time::Instant;

use anyhow::{Context, Result};

use super::guarded::tokens;
use crate::{
    bench::Bench,
    client::{self, Responses, Stream, run_for},
    figure::{Figure, Outcome, median},
    latency::millis,
    server::Server,
    traffic::{Repeated, Requests, get_with},
};

/// Valid requests per second: far below saturation, so that latency contains no queueing.
const VALID: f64 = 1_000.0;
/// Wrong secrets per second.
const WRONG: f64 = 1_000.0;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let guard = bench.guard(&bench.shared(std::slice::from_ref(&small))?, &[])?;
    let mut valid = tokens(&small);
    let wrong = (0..small.count * 20).map(|n| get_with("/guarded", &small.wrong(n % small.count, n)));
    let mut wrong = Repeated::at_random(wrong, 401);
    run_for(paced(&guard, &mut valid), bench.sizes.phase)?;
    let (mut rounds, mut quiet, mut flooded, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..bench.sizes.rounds {
        let before = run_for(paced(&guard, &mut valid), bench.sizes.phase)?;
        let during = flood(bench, &guard, &mut valid, &mut wrong)?;
        count += during.count;
        quiet.push(millis(before.latencies.at(0.99)));
        flooded.push(millis(during.latencies.at(0.99)));
        rounds.push(millis(during.latencies.at(0.99)) / millis(before.latencies.at(0.99)));
    }
    let (quiet, flooded) = (median(&quiet), median(&flooded));
    let detail = format!(
        "p99 {flooded:.3} ms during {WRONG}/s wrong secrets, {quiet:.3} ms in quiet; {VALID}/s valid, none of {count} refused"
    );
    let mut figure = Figure::ratio(rounds, detail);
    figure.others.extend([("p99_ms_flooded", flooded), ("p99_ms_quiet", quiet)]);
    Ok(Outcome::Measured(figure))
}

/// The responses to valid requests.
///
/// # Errors
/// When a response of either stream has an unexpected status.
fn flood(
    bench: &Bench,
    guard: &Server,
    valid: &mut dyn Requests,
    wrong: &mut dyn Requests,
) -> Result<Responses> {
    let attack = Stream {
        // An attacker has another source address.
        from: Some([127, 0, 0, 2].into()),
        ..Stream::paced(guard.address, 16, WRONG, wrong)
    };
    let end = Instant::now() + bench.sizes.phase;
    let answers = client::run(vec![paced(guard, valid), attack], || Instant::now() < end)?;
    let mut answers = answers.into_iter();
    let (valid, wrong) = answers.next().zip(answers.next()).context("two streams")?;
    wrong.all_expected().context("wrong secrets")?;
    valid.all_expected().context("valid tokens")
}

fn paced<'r>(guard: &Server, requests: &'r mut dyn Requests) -> Stream<'r> {
    Stream::paced(guard.address, 16, VALID, requests)
}
