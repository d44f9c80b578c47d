//! UTC dates from the system clock, with std only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The current time as the prefix of a migration's folder name: `2026-11-21-041530`.
pub(crate) fn now() -> String {
    // With a clock before 1970 the name is visibly wrong, which is better than a failure.
    stamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

fn stamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}-{hour:02}{minute:02}{second:02}")
}

/// The Gregorian date `days` after 1970-01-01.
///
/// Counts from 0000-03-01, so that the leap day is the last of its year and 400 years have 146,097 days each.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // 0000-03-01 to 1970-01-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153; // March to July and August to December repeat after 153 days
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_match_known_instants() {
        for (seconds, expected) in [
            (0, "1970-01-01-000000"),
            (951_782_399, "2000-02-28-235959"),
            (951_782_400, "2000-02-29-000000"),
            (1_709_164_800, "2024-02-29-000000"),
            (1_735_689_599, "2024-12-31-235959"),
            (1_795_234_530, "2026-11-21-041530"),
            (4_107_542_400, "2100-03-01-000000"),
        ] {
            assert_eq!(stamp(Duration::from_secs(seconds)), expected);
        }
    }
}
