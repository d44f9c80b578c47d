//! The first use of a token in a process: by its stored proof, or with its bcrypt or Argon2id hash.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokenry_crypto::Scheme;

use crate::{
    bench::Bench,
    client::{self, Stream, run_for},
    figure::{Figure, Outcome, median},
    latency::{Latencies, millis},
    population::Population,
    traffic::{Repeated, get_with},
};

/// Tokens that were used before.
const WARM: u64 = 100;
/// Their requests per second.
const WARM_RATE: f64 = 1_000.0;
/// First uses per second: with the hash each takes about 5 ms, so that they do not wait for each other.
const COLD_RATE: f64 = 20.0;

pub(super) fn once(bench: &Bench) -> Result<Outcome> {
    run(bench, Scheme::Bcrypt, "once")
}

pub(super) fn always(bench: &Bench) -> Result<Outcome> {
    run(bench, Scheme::Bcrypt, "always")
}

/// The scheme of the profile `control-plane`, which promises 10 ms at the 99th percentile.
pub(super) fn argon2id(bench: &Bench) -> Result<Outcome> {
    run(bench, Scheme::Argon2id, "once")
}

fn run(bench: &Bench, scheme: Scheme, slow_hash: &str) -> Result<Outcome> {
    let each = bench.sizes.cold;
    let rounds = u64::try_from(bench.sizes.rounds)?;
    let tokens = Population { scheme, ..Population::live("cold", WARM + each * rounds) };
    let database = bench.shared(std::slice::from_ref(&tokens))?;
    let guard = bench.slow_guard(&database, scheme, &["--slow-hash", slow_hash])?;
    let texts = |from: u64, to: u64| {
        let tokens = &tokens;
        (from..to).map(move |number| get_with("/guarded", &tokens.text(number)))
    };
    let to = guard.address;
    let mut once = Repeated::once(texts(0, WARM), 200);
    let to_warm = client::run(vec![Stream::paced(to, 1, 100.0, &mut once)], || true)?;
    to_warm.into_iter().next().context("one stream")?.all_expected()?;
    let mut warm = Repeated::in_order(texts(0, WARM), 200);
    let mut all = Latencies::default();
    let (mut values, mut others) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let quiet = run_for(Stream::paced(to, 16, WARM_RATE, &mut warm), bench.sizes.phase)?;
        let first = WARM + round * each;
        let mut fresh = Repeated::once(texts(first, first + each), 200);
        // The last of them is due one interval after the others.
        let end =
            Instant::now() + Duration::from_secs_f64((1.0 / COLD_RATE) * f64::from(u32::try_from(each + 2)?));
        let streams =
            vec![Stream::paced(to, 16, WARM_RATE, &mut warm), Stream::paced(to, 4, COLD_RATE, &mut fresh)];
        let mut answers = client::run(streams, || Instant::now() < end)?.into_iter();
        let (warm, cold) = answers.next().zip(answers.next()).context("two streams")?;
        let (warm, cold) = (warm.all_expected()?, cold.all_expected()?);
        values.push(millis(cold.latencies.at(0.99)));
        others.push(millis(warm.latencies.at(0.99)) / millis(quiet.latencies.at(0.99)));
        all.extend(&cold.latencies);
    }
    let others = median(&others);
    let detail = format!(
        "{} first uses: median {:.2} ms, worst {:.2} ms; p99 of other requests × {others:.2}",
        each * rounds,
        millis(all.at(0.5)),
        millis(all.at(1.0)),
    );
    let mut figure = Figure::value(values, "ms", detail);
    figure.others.insert("p99_ratio_of_others", others);
    Ok(Outcome::Measured(figure))
}
