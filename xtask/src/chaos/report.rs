//! The table at the end.

use std::fmt::Write as _;
use std::time::Duration;

use super::observations::Figures;

/// The result of one scenario.
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) figures: Figures,
}

impl Outcome {
    /// `true` if no promise was broken.
    pub(crate) fn is_good(&self) -> bool {
        self.figures.late == 0 && self.figures.wrong_rejections == 0 && self.figures.failures.is_empty()
    }
}

const COLUMNS: [&str; 14] = [
    "scenario",
    "rounds",
    "revoked",
    "unknown",
    "late",
    "after loss",
    "wrong 401",
    "other",
    "verified",
    "503",
    "no answer",
    "longest 503",
    "revocation p50 / p99 / worst",
    "failures",
];

/// The table in Markdown.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let rows: Vec<_> = outcomes.iter().map(row).collect();
    let header = COLUMNS.map(str::to_owned);
    let widths: Vec<_> = (0..COLUMNS.len())
        .map(|column| {
            let cells = rows.iter().chain([&header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(&header) + &line(&rule);
    text.extend(rows.iter().map(|row| line(row)));
    for outcome in outcomes {
        for failure in &outcome.figures.failures {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{}: {failure}", outcome.scenario);
        }
    }
    text
}

fn row(outcome: &Outcome) -> [String; 14] {
    let figures = &outcome.figures;
    let mut times = figures.revocation_times.clone();
    times.sort_unstable();
    let at = |share| millis(percentile(&times, share));
    [
        outcome.scenario.to_owned(),
        figures.rounds.to_string(),
        figures.revoked.to_string(),
        figures.unknown.to_string(),
        figures.late.to_string(),
        figures.allowed_late.to_string(),
        figures.wrong_rejections.to_string(),
        figures.others.values().sum::<u64>().to_string(),
        figures.verifications.to_string(),
        figures.unavailable.to_string(),
        figures.unanswered.to_string(),
        longest(&figures.longest_unavailability),
        format!("{} / {} / {} ms", at(50), at(99), at(100)),
        figures.failures.len().to_string(),
    ]
}

fn longest((time, node): &(Duration, String)) -> String {
    if time.is_zero() { "none".to_owned() } else { format!("{:.1} s, {node}", time.as_secs_f64()) }
}

/// The percentile by nearest rank, of sorted times.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_scenario() {
        let figures = Figures {
            revocation_times: (1..=200).map(Duration::from_millis).collect(),
            late: 3,
            failures: vec!["too slow".to_owned()],
            ..Figures::default()
        };
        let outcome = Outcome { scenario: "switchover", figures };
        assert!(!outcome.is_good());
        let text = table(&[outcome]);
        assert!(
            text.contains("100.0 / 198.0 / 200.0 ms") && text.ends_with("switchover: too slow\n"),
            "{text}"
        );
        let widths: Vec<_> = text.lines().take(3).map(str::len).collect();
        assert_eq!(widths.first(), widths.last(), "{text}");
    }

    #[test]
    fn only_a_scenario_without_late_acceptances_is_good() {
        let outcome = |figures| Outcome { scenario: "x", figures };
        assert!(
            outcome(Figures { unknown: 9, unavailable: 9, allowed_late: 9, ..Figures::default() }).is_good()
        );
        assert!(!outcome(Figures { late: 1, ..Figures::default() }).is_good());
        assert!(!outcome(Figures { wrong_rejections: 1, ..Figures::default() }).is_good());
    }
}
