//! Whether the latency of a rejection reveals which public ids exist.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokenry_service::{HashSettings, Rejection, Scheme, Settings, Tokenry, VerifyError};

use crate::{
    bench::Bench,
    figure::{Figure, Outcome},
    population::{Population, State},
    random::Random,
};

/// The share of samples that is kept: the slowest hundredth contains the noise of the system.
const KEPT: f64 = 0.99;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let count = bench.sizes.samples;
    let of = |name, state| Population { state, ..Population::live(name, count) };
    let known = [
        of("timed-live", State::Live),
        of("timed-revoked", State::Revoked),
        of("timed-expired", State::Expired),
    ];
    let database = bench.shared(&known)?;
    let hash = HashSettings::new(Scheme::Sha256);
    let tokenry = Tokenry::new(database.store()?, Settings::default().with_hash(hash))?;
    let [live, ..] = &known;
    let mut rounds = Vec::new();
    let mut detail = String::new();
    for round in 0..bench.sizes.rounds {
        let turn = u64::try_from(round)?;
        // New texts, built before the measurement starts.
        let mut classes: Vec<Vec<String>> =
            vec![(0..count).map(|number| live.unknown(number + turn * count)).collect()];
        classes.extend(known.iter().map(|kind| (0..count).map(|number| kind.wrong(number, turn)).collect()));
        let times = measure(&tokenry, &classes, database.now, turn)?;
        let [unknown, kinds @ ..] = times.as_slice() else { continue };
        let limit = share(&times);
        let t: Vec<_> = kinds.iter().map(|kind| welch(unknown, kind, limit)).collect();
        let mean = |times: &[f64]| moments(times, limit).0;
        detail = format!(
            "mean µs: unknown id {:.2}, wrong secret of a live token {:.2}, revoked {:.2}, expired {:.2}; {count} samples each",
            mean(unknown) / 1e3,
            kinds.first().map_or(0.0, |kind| mean(kind) / 1e3),
            kinds.get(1).map_or(0.0, |kind| mean(kind) / 1e3),
            kinds.get(2).map_or(0.0, |kind| mean(kind) / 1e3),
        );
        rounds.push(t.into_iter().map(f64::abs).fold(0.0, f64::max));
    }
    Ok(Outcome::Measured(Figure::value(rounds, "|t|", detail)))
}

/// Nanoseconds of each rejection, by class; the classes are in random order.
fn measure(
    tokenry: &Tokenry,
    classes: &[Vec<String>],
    now: tokenry_domain::UnixMillis,
    turn: u64,
) -> Result<Vec<Vec<f64>>> {
    let count = classes.first().map_or(0, Vec::len);
    let mut times = vec![Vec::with_capacity(count); classes.len()];
    let mut random = Random::of(&[0x0c1e, turn]);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    for number in 0..count {
        for last in (1..order.len()).rev() {
            order.swap(last, usize::try_from(random.below(u64::try_from(last)? + 1))?);
        }
        for class in &order {
            let text = classes.get(*class).and_then(|class| class.get(number)).context("no text")?;
            let begun = Instant::now();
            let refused = tokenry.verify_blocking(text.as_bytes(), now, None);
            let took = begun.elapsed();
            ensure!(
                matches!(refused, Err(VerifyError::Rejected(Rejection::Unknown))),
                "a wrong secret was not refused as unknown"
            );
            times.get_mut(*class).context("no class")?.push(took.as_secs_f64() * 1e9);
        }
    }
    Ok(times)
}

/// The time that the share `KEPT` of all samples does not exceed.
fn share(times: &[Vec<f64>]) -> f64 {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count that fits"
    )]
    let rank = (all.len() as f64 * KEPT) as usize;
    all.get(rank).copied().unwrap_or(f64::MAX)
}

/// Welch's t of two samples.
fn welch(left: &[f64], right: &[f64], limit: f64) -> f64 {
    let ((mean_l, var_l, n_l), (mean_r, var_r, n_r)) = (moments(left, limit), moments(right, limit));
    (mean_l - mean_r) / (var_l / n_l + var_r / n_r).sqrt().max(f64::MIN_POSITIVE)
}

/// Mean, variance and count of the values up to the limit.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn moments(times: &[f64], limit: f64) -> (f64, f64, f64) {
    let kept: Vec<f64> = times.iter().copied().filter(|time| *time <= limit).collect();
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_t_of_a_textbook_example_is_correct() {
        // Means 3 and 5, variances 2.5 and 2.5, five samples each.
        let (left, right) = ([1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 4.0, 5.0, 6.0, 7.0]);
        assert!((welch(&left, &right, f64::MAX) + 2.0).abs() < 1e-9);
        assert!(welch(&left, &left, f64::MAX).abs() < 1e-9);
    }
}
