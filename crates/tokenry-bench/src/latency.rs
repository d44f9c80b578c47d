//! Latencies of responses.

use std::time::Duration;

/// Every latency in nanoseconds, capped at 4.29 s. All are kept, so that percentiles are exact.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// The percentile by nearest rank: `0.99` for the 99th.
    pub(crate) fn at(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count that fits"
        )]
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        let nanos = sorted.get(rank.max(1) - 1).or(sorted.last()).copied().unwrap_or_default();
        Duration::from_nanos(nanos.into())
    }
}

/// Milliseconds with three decimals.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut latencies = Latencies::default();
        (1..=200).rev().for_each(|micros| latencies.add(Duration::from_micros(micros)));
        assert_eq!(latencies.at(0.5), Duration::from_micros(100));
        assert_eq!(latencies.at(0.99), Duration::from_micros(198));
        assert_eq!(latencies.at(1.0), Duration::from_micros(200));
        assert_eq!(Latencies::default().at(0.99), Duration::ZERO);
    }
}
