//! A clock that measures elapsed time and never steps.

use std::{sync::Arc, time::Duration};

/// Measures elapsed time. Cheap to clone.
#[derive(Clone)]
pub struct Monotonic(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Monotonic {
    /// The system's monotonic clock, starting now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "it measures elapsed time only")]
    pub fn system() -> Self {
        let begun = std::time::Instant::now();
        Self::from_fn(move || begun.elapsed())
    }

    /// Another source of elapsed time, which must never go back.
    #[must_use]
    pub fn from_fn(elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(elapsed))
    }

    /// The time since a fixed moment.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        (self.0)()
    }
}
