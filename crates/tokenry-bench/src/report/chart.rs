//! A bar chart: each result relative to its goal.

use std::fmt::Write as _;

use crate::figure::{self, Goal};

/// Pixels of a row, of the names beside the bars, and of a bar that reaches its goal.
const ROW: usize = 22;
const NAMES: usize = 220;
const GOAL: f64 = 300.0;
/// The maximum length of a bar, in multiples of the goal.
const LONGEST: f64 = 2.0;

/// Draws an SVG. A bar that passes the line meets its goal: its length is value ÷ goal, or goal ÷ value where less is
/// better.
pub(super) fn draw(results: &[figure::Result]) -> String {
    let height = (results.len() + 2) * ROW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (result, number) in results.iter().zip(0..) {
        bar(&mut svg, result, number * ROW + ROW / 2);
    }
    #[allow(clippy::cast_precision_loss, reason = "a few hundred pixels")]
    let line = NAMES as f64 + GOAL;
    let _ = writeln!(
        svg,
        "<line x1=\"{line}\" x2=\"{line}\" y1=\"0\" y2=\"{}\" stroke=\"black\" stroke-dasharray=\"4\"/>\n\
         <text x=\"{line}\" y=\"{}\" text-anchor=\"middle\">goal</text>\n</svg>",
        height - ROW,
        height - ROW / 3
    );
    svg
}

fn bar(svg: &mut String, result: &figure::Result, top: usize) {
    let text = top + ROW * 2 / 3;
    let _ = writeln!(svg, "<text x=\"8\" y=\"{text}\">{} · {}</text>", result.id, result.backend.name());
    let Some(value) = result.value() else {
        let _ = writeln!(svg, "<text x=\"{NAMES}\" y=\"{text}\" fill=\"gray\">not measured</text>");
        return;
    };
    let width = GOAL * reached(value, result.goal).min(LONGEST);
    let colour = if result.is_met() { "#4c9f70" } else { "#c8553d" };
    let _ = writeln!(
        svg,
        "<rect x=\"{NAMES}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
         <text x=\"{}\" y=\"{text}\">{value:.3} (goal {})</text>",
        top + 2,
        ROW - 5,
        NAMES + 620,
        result.goal.shown()
    );
}

/// The share of its goal that a value reaches.
fn reached(value: f64, goal: Goal) -> f64 {
    match goal {
        Goal::Min(goal) => value / goal,
        Goal::Max(goal) if value <= goal && value <= 0.0 => LONGEST,
        Goal::Max(goal) => goal / value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_passes_the_line_when_the_goal_is_met() {
        assert!(reached(0.8, Goal::Min(0.7)) > 1.0 && reached(0.6, Goal::Min(0.7)) < 1.0);
        assert!(reached(90.0, Goal::Max(100.0)) > 1.0 && reached(110.0, Goal::Max(100.0)) < 1.0);
        assert!(reached(0.0, Goal::Max(0.0)) > 1.0 && reached(3.0, Goal::Max(0.0)) < 1.0);
    }
}
