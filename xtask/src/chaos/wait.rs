//! Bounded waits. Each says what it waits for.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Repeats `look` until it returns something.
///
/// # Errors
/// When it still returns nothing after `limit`; the message names `what` and the last reason.
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() >= end => {
                bail!("not within {} s: {what}: {error:#}", limit.as_secs())
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_wait_ends_with_the_first_success_and_names_the_last_reason() {
        let mut looks = 0;
        let found = until("three looks", Duration::from_secs(60), || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(anyhow!("too few")) }
        });
        assert_eq!(found.unwrap(), 3);
        let never = until("anything", Duration::ZERO, || Err::<(), _>(anyhow!("nothing there")));
        assert_eq!(never.unwrap_err().to_string(), "not within 0 s: anything: nothing there");
    }
}
