//! Progress on standard error; results go to standard output.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// One bar for all rows, and one below it for the current long step.
pub(crate) struct Progress {
    bars: MultiProgress,
    rows: ProgressBar,
}

impl Progress {
    pub(crate) fn new(rows: u64) -> Self {
        let bars = MultiProgress::new();
        let bar = bars.add(ProgressBar::new(rows));
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bars, rows: bar }
    }

    /// Starts a row.
    pub(crate) fn row(&self, name: &str) {
        self.rows.set_message(name.to_owned());
    }

    /// Finishes a row.
    #[allow(clippy::print_stdout, reason = "the table is what the tool is for")]
    pub(crate) fn done(&self, line: &str) {
        self.bars.suspend(|| println!("{line}"));
        self.rows.inc(1);
    }

    /// Starts a long step. Without a terminal, prints one line.
    #[allow(clippy::print_stderr, reason = "for whoever waits")]
    pub(crate) fn counting(&self, what: &str, count: u64) -> ProgressBar {
        if count >= 100_000 && !std::io::stderr().is_terminal() {
            eprintln!("{what}, {count}");
        }
        let bar = self.bars.add(ProgressBar::new(count));
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.rows.finish_and_clear();
    }
}
