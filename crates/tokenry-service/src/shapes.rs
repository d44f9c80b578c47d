//! The shapes of imported tokens, read again at an interval so that an import by another process is seen.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokenry_crypto::Shape;
use tokenry_store::{
    Store, StoreError, import,
    supervisor::{Importance, Stop, Worker},
};

/// How long a new shape may stay unknown to other processes.
const INTERVAL: Duration = Duration::from_secs(5);

/// The stored shapes. A presented text is compared with them only if it is not a token of this installation's own format.
pub(crate) struct Shapes {
    current: Arc<Current>,
    _worker: Worker,
}

type Current = RwLock<Arc<[Shape]>>;

impl Shapes {
    /// Reads the shapes, and again at an interval.
    pub(crate) fn start(store: &Store) -> Result<Self, StoreError> {
        let current: Arc<Current> = Arc::new(RwLock::new(read(store)?));
        let (kept, store_of_worker) = (current.clone(), store.clone());
        let worker = store.workers().start("shapes", Importance::Background, move |stop: &Stop| {
            while !stop.wait(INTERVAL) {
                match read(&store_of_worker) {
                    Ok(shapes) => replace(&kept, shapes),
                    // The known shapes stay valid: a shape is never deleted.
                    Err(error) => tracing::warn!(%error, "the shapes of imported tokens were not read"),
                }
            }
        })?;
        Ok(Self { current, _worker: worker })
    }

    /// Reads the shapes now.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), StoreError> {
        replace(&self.current, read(store)?);
        Ok(())
    }

    /// The known shapes.
    pub(crate) fn current(&self) -> Arc<[Shape]> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a text has a known shape.
    pub(crate) fn fit(&self, presented: &[u8]) -> bool {
        self.current().iter().any(|shape| shape.fits(presented))
    }
}

/// The stored shapes.
pub(crate) fn read(store: &Store) -> Result<Arc<[Shape]>, StoreError> {
    let texts = store.read(import::shapes)?;
    let parse = |text: &String| {
        let shape = text.parse();
        shape.inspect_err(|error| tracing::error!(%text, %error, "a stored shape cannot be read")).ok()
    };
    Ok(texts.iter().filter_map(parse).collect())
}

fn replace(current: &Current, shapes: Arc<[Shape]>) {
    *current.write().unwrap_or_else(PoisonError::into_inner) = shapes;
}
