//! The result of a row and its comparison with the goal.

use std::collections::BTreeMap;

use crate::database::Backend;

/// The measured values of a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figure {
    /// One value per round; the result is their median.
    pub(crate) rounds: Vec<f64>,
    /// The unit of the value: `ratio`, `ms`, `MiB`, …
    pub(crate) unit: &'static str,
    /// CPU time of the server per baseline request ÷ CPU time per measured request: the ratio without the time of
    /// client and network.
    pub(crate) cpu: Option<f64>,
    /// Further figures by name.
    pub(crate) others: BTreeMap<&'static str, f64>,
    /// The figures behind the value, as text.
    pub(crate) detail: String,
}

/// The outcome of a row.
pub(crate) enum Outcome {
    Measured(Figure),
    /// This version lacks the feature.
    NotAvailable(String),
}

/// The goal for a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// At least.
    Min(f64),
    /// At most.
    Max(f64),
}

/// One row of the table.
pub(crate) struct Result {
    pub(crate) id: &'static str,
    pub(crate) backend: Backend,
    pub(crate) goal: Goal,
    /// `None` when the row was not measured; the detail gives the reason.
    pub(crate) figure: Option<Figure>,
    pub(crate) detail: String,
    /// The measurement failed.
    pub(crate) is_failed: bool,
}

impl Figure {
    pub(crate) fn ratio(rounds: Vec<f64>, detail: String) -> Self {
        Self { rounds, unit: "ratio", detail, ..Self::default() }
    }

    pub(crate) fn value(rounds: Vec<f64>, unit: &'static str, detail: String) -> Self {
        Self { rounds, unit, detail, ..Self::default() }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// The minimum and the maximum.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let fold = |pick: fn(f64, f64) -> f64| self.rounds.iter().copied().reduce(pick).unwrap_or_default();
        (fold(f64::min), fold(f64::max))
    }
}

impl Goal {
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Min(value) | Self::Max(value) => value,
        }
    }

    pub(crate) fn direction(self) -> &'static str {
        match self {
            Self::Min(_) => "min",
            Self::Max(_) => "max",
        }
    }

    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::Min(goal) => value >= goal,
            Self::Max(goal) => value <= goal,
        }
    }

    /// `≥ 0.7`.
    pub(crate) fn shown(self) -> String {
        let sign = if matches!(self, Self::Min(_)) { '≥' } else { '≤' };
        format!("{sign} {}", self.value())
    }
}

impl Result {
    pub(crate) fn value(&self) -> Option<f64> {
        self.figure.as_ref().map(Figure::median)
    }

    /// A row without a measurement does not meet its goal.
    pub(crate) fn is_met(&self) -> bool {
        self.value().is_some_and(|value| self.goal.is_met(value))
    }
}

/// The median; 0 without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or_default();
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|at| sorted.get(at)).copied().unwrap_or(upper);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_counts_and_the_spread_is_shown() {
        let figure = Figure::ratio(vec![0.5, 0.9, 0.7], String::new());
        assert_eq!((figure.median(), figure.spread()), (0.7, (0.5, 0.9)));
        assert_eq!((median(&[1.0, 2.0]), median(&[])), (1.5, 0.0));
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let result = |figure| Result {
            id: "x",
            backend: Backend::Sqlite,
            goal: Goal::Max(2.0),
            figure,
            detail: String::new(),
            is_failed: false,
        };
        assert!(!result(None).is_met());
        assert!(result(Some(Figure::ratio(vec![1.9], String::new()))).is_met());
        assert!(!result(Some(Figure::ratio(vec![2.1], String::new()))).is_met());
    }
}
