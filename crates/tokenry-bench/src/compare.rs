//! Two loads in turn, again and again: only ratios within one run mean anything on a machine with others on it.

use std::time::Duration;

use anyhow::Result;

use crate::{
    bench::Bench,
    client::{Stream, run_for},
    figure::{Figure, median},
    server::Server,
    traffic::Requests,
};

/// Connections of a load that takes all it can get.
pub(crate) const CONNECTIONS: usize = 32;

/// A server and what is asked of it.
pub(crate) struct Side<'r> {
    pub(crate) server: &'r Server,
    pub(crate) requests: &'r mut dyn Requests,
}

/// Throughput of one phase.
struct Sample {
    per_second: f64,
    /// Server CPU time of one request, in microseconds.
    cpu: Option<f64>,
}

/// Requests per second of `ours` ÷ those of `base`, in as many rounds as the run has. Who comes first changes with
/// each round.
///
/// # Errors
/// When an answer is not what was expected.
pub(crate) fn compare(bench: &Bench, mut ours: Side<'_>, mut base: Side<'_>) -> Result<Figure> {
    let phase = bench.sizes.phase;
    // Connections, caches and pages, once.
    sample(&mut base, phase / 2)?;
    sample(&mut ours, phase / 2)?;
    let (mut of_ours, mut of_base) = (Vec::new(), Vec::new());
    for round in 0..bench.sizes.rounds {
        if round % 2 == 0 {
            of_base.push(sample(&mut base, phase)?);
            of_ours.push(sample(&mut ours, phase)?);
        } else {
            of_ours.push(sample(&mut ours, phase)?);
            of_base.push(sample(&mut base, phase)?);
        }
    }
    let pairs = of_ours.iter().zip(&of_base);
    let rounds = pairs.map(|(ours, base)| ours.per_second / base.per_second).collect();
    let middle = |samples: &[Sample]| median(&samples.iter().map(|one| one.per_second).collect::<Vec<_>>());
    let cpu = |samples: &[Sample]| {
        let each: Option<Vec<_>> = samples.iter().map(|one| one.cpu).collect();
        each.map(|each| median(&each))
    };
    let (cpu_ours, cpu_base) = (cpu(&of_ours), cpu(&of_base));
    let mut detail = format!("{:.0}/s against {:.0}/s", middle(&of_ours), middle(&of_base));
    let mut figure = Figure::ratio(rounds, String::new());
    if let (Some(ours), Some(base)) = (cpu_ours, cpu_base) {
        detail.push_str(&format!("; server CPU {ours:.1} µs against {base:.1} µs a request"));
        figure.cpu = Some(base / ours);
        figure.others.extend([("cpu_us_ours", ours), ("cpu_us_base", base)]);
    }
    figure.others.extend([("per_second_ours", middle(&of_ours)), ("per_second_base", middle(&of_base))]);
    figure.detail = detail;
    Ok(figure)
}

fn sample(side: &mut Side<'_>, time: Duration) -> Result<Sample> {
    let before = side.server.cpu();
    let answers = run_for(Stream::saturated(side.server.address, CONNECTIONS, side.requests), time)?;
    let spent = before.zip(side.server.cpu()).map(|(before, after)| after.saturating_sub(before));
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = answers.count as f64;
    Ok(Sample { per_second: answers.per_second(), cpu: spent.map(|spent| spent.as_secs_f64() * 1e6 / count) })
}
