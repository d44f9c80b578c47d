//! The machine of a run.

use std::{fs, process::Command};

/// The machine, the date and the commit.
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) date: String,
    pub(crate) commit: String,
    /// Whether it was a smoke test.
    pub(crate) is_quick: bool,
}

impl Machine {
    pub(crate) fn here(now: tokenry_domain::UnixMillis, is_quick: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let kib: u64 = text.lines().next()?.split_whitespace().nth(1)?.parse().ok()?;
            Some(format!(", {} GiB", kib / 1024 / 1024))
        });
        let processor = processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let name = format!("{cores} cores of {processor}{}", memory.unwrap_or_default());
        let date = now.to_string().split('T').next().unwrap_or_default().to_owned();
        Self { name, date, commit: commit().unwrap_or_else(|| "unknown".to_owned()), is_quick }
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
