//! Time from the start of the process to its first response, on an existing database.

use anyhow::Result;

use crate::{
    bench::Bench,
    figure::{Figure, Outcome},
    latency::millis,
};

/// The number of starts.
const STARTS: usize = 10;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let database = bench.shared(&[bench.small()])?;
    drop(bench.server(&database)?); // creates the database and the bootstrap token
    let mut rounds = Vec::new();
    for _ in 0..STARTS {
        rounds.push(millis(bench.server(&database)?.started_in));
    }
    Ok(Outcome::Measured(Figure::value(rounds, "ms", format!("{STARTS} starts of `tokenry serve`"))))
}
