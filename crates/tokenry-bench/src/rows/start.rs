//! From the start of the process to its first answer, on a database that exists.

use anyhow::Result;

use crate::{
    bench::Bench,
    figure::{Figure, Outcome},
    latency::millis,
};

/// Starts in one run; each is short.
const STARTS: usize = 10;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let database = bench.shared(&[bench.small()])?;
    drop(bench.server(&database)?); // makes the first token, once
    let mut rounds = Vec::new();
    for _ in 0..STARTS {
        rounds.push(millis(bench.server(&database)?.started_in));
    }
    Ok(Outcome::Measured(Figure::value(rounds, "ms", format!("{STARTS} starts of `tokenry serve`"))))
}
