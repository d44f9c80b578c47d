//! A store with the default settings.

use tokenry_store::{DatabaseUrl, Store, StoreSettings};

pub(crate) fn open(url: &str) -> Store {
    let url: DatabaseUrl = url.parse().unwrap();
    Store::open(&url, StoreSettings::default()).unwrap()
}
