//! Alternates two loads: on a shared machine, only ratios within one run are meaningful.

use std::time::Duration;

use anyhow::Result;

use crate::{
    bench::Bench,
    client::{Stream, run_for},
    figure::{Figure, median},
    server::Server,
    traffic::Requests,
};

/// Connections of a load that saturates its server.
pub(crate) const CONNECTIONS: usize = 32;

/// A server and its load.
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

/// Requests per second of `ours` ÷ those of `base`, in as many rounds as the run has. The order alternates
/// between rounds.
///
/// # Errors
/// When a response is unexpected.
pub(crate) fn compare(bench: &Bench, mut ours: Side<'_>, mut base: Side<'_>) -> Result<Figure> {
    let phase = bench.sizes.phase;
    // Warms up connections and caches.
    sample(&mut base, phase / 2)?;
    sample(&mut ours, phase / 2)?;
    let (mut our_samples, mut base_samples) = (Vec::new(), Vec::new());
    for round in 0..bench.sizes.rounds {
        if round % 2 == 0 {
            base_samples.push(sample(&mut base, phase)?);
            our_samples.push(sample(&mut ours, phase)?);
        } else {
            our_samples.push(sample(&mut ours, phase)?);
            base_samples.push(sample(&mut base, phase)?);
        }
    }
    let pairs = our_samples.iter().zip(&base_samples);
    let rounds = pairs.map(|(ours, base)| ours.per_second / base.per_second).collect();
    let (ours_per_second, base_per_second) =
        (median_throughput(&our_samples), median_throughput(&base_samples));
    let mut detail = format!("{ours_per_second:.0}/s against {base_per_second:.0}/s");
    let mut figure = Figure::ratio(rounds, String::new());
    if let (Some(ours), Some(base)) = (median_cpu(&our_samples), median_cpu(&base_samples)) {
        detail.push_str(&format!("; server CPU {ours:.1} µs against {base:.1} µs per request"));
        figure.cpu = Some(base / ours);
        figure.others.extend([("cpu_us_ours", ours), ("cpu_us_base", base)]);
    }
    figure.others.extend([("per_second_ours", ours_per_second), ("per_second_base", base_per_second)]);
    figure.detail = detail;
    Ok(figure)
}

fn median_throughput(samples: &[Sample]) -> f64 {
    median(&samples.iter().map(|sample| sample.per_second).collect::<Vec<_>>())
}

/// `None` where the system does not report CPU time.
fn median_cpu(samples: &[Sample]) -> Option<f64> {
    let values: Option<Vec<_>> = samples.iter().map(|sample| sample.cpu).collect();
    values.map(|values| median(&values))
}

fn sample(side: &mut Side<'_>, time: Duration) -> Result<Sample> {
    let before = side.server.cpu();
    let responses = run_for(Stream::saturated(side.server.address, CONNECTIONS, side.requests), time)?;
    let spent = before.zip(side.server.cpu()).map(|(before, after)| after.saturating_sub(before));
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = responses.count as f64;
    Ok(Sample {
        per_second: responses.per_second(),
        cpu: spent.map(|spent| spent.as_secs_f64() * 1e6 / count),
    })
}
