//! A clock that measures and does not tell the time, so that it never steps.

use std::{sync::Arc, time::Duration};

/// How long something has been running. Cheap to clone.
#[derive(Clone)]
pub struct Monotonic(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Monotonic {
    /// The system's, from now on.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "it decides nothing by the time of day, only by how much passed"
    )]
    pub fn system() -> Self {
        let begun = std::time::Instant::now();
        Self::from_fn(move || begun.elapsed())
    }

    /// Another one, which must never go back.
    #[must_use]
    pub fn from_fn(elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(elapsed))
    }

    /// How much time has passed since a fixed moment.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        (self.0)()
    }
}
