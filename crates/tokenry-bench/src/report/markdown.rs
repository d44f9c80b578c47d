//! The table of results in Markdown.

use std::fmt::Write as _;

use super::Machine;
use crate::{database::Backend, figure};

/// The whole table, with the machine.
pub(super) fn document(results: &[figure::Result], machine: &Machine) -> String {
    let Machine { name, date, commit, is_quick } = machine;
    let mut text = format!("Measured on {date} at commit {commit}, on {name}.");
    if *is_quick {
        text.push_str(" It was a smoke test: these figures mean nothing.");
    }
    text.push_str("\n\n| row | database | median (spread) | goal | met | what was measured |\n|---|---|---|---|---|---|\n");
    for result in results {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            result.id,
            database(result.backend),
            value(result).replace('|', "\\|"),
            result.goal.shown(),
            verdict(result),
            result.detail.replace('|', "\\|")
        );
    }
    text
}

/// One row, as printed during the run.
pub(crate) fn line(result: &figure::Result) -> String {
    format!(
        "{:<17}{:<11}{:<34}goal {:<8}{:<14}{}",
        result.id,
        database(result.backend),
        value(result),
        result.goal.shown(),
        verdict(result),
        result.detail
    )
}

fn database(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "SQLite",
        Backend::Postgres => "PostgreSQL",
    }
}

fn verdict(result: &figure::Result) -> &'static str {
    match (&result.figure, result.is_failed) {
        (_, true) => "FAILED",
        (None, false) => "not measured",
        (Some(_), false) if result.is_met() => "yes",
        (Some(_), false) => "no",
    }
}

fn value(result: &figure::Result) -> String {
    let Some(figure) = &result.figure else { return "–".to_owned() };
    let (least, greatest) = figure.spread();
    let unit = if figure.unit == "ratio" { String::new() } else { format!(" {}", figure.unit) };
    let spread = if figure.rounds.len() > 1 {
        format!(" ({}–{})", short(least), short(greatest))
    } else {
        String::new()
    };
    let cpu = figure.cpu.map(|cpu| format!(", by CPU {}", short(cpu))).unwrap_or_default();
    format!("{}{spread}{unit}{cpu}", short(figure.median()))
}

/// Three decimals for small numbers, none for large ones.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
