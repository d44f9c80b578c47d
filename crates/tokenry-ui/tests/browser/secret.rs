//! Places where a secret could remain.

use serde_json::json;

use crate::visit::Visit;

/// Everything that a page of this origin can read, and the browser's storage for it.
const LOCATIONS: &str = "return {
    local: JSON.stringify({ ...localStorage }),
    session: JSON.stringify({ ...sessionStorage }),
    state: JSON.stringify(history.state),
    url: location.href,
    name: window.name,
    title: document.title,
    cookie: document.cookie,
    document: document.documentElement.outerHTML,
    fields: [...document.querySelectorAll('input, textarea, select')].map(e => e.value).join('\\n'),
    asked: performance.getEntriesByType('resource').map(e => e.name).join('\\n'),
}";

/// Fails if any part of the secret remains in a page, its URL, storage or the browser's history.
#[track_caller]
pub(crate) fn is_nowhere(visit: &Visit, secret: &str) {
    let part = &secret[20..secret.len() - 4];
    let locations = visit.eval(LOCATIONS, &[]);
    for (location, text) in locations.as_object().unwrap() {
        assert!(!text.to_string().contains(part), "the secret is in {location}");
    }
    for kept in ["Network.getCookies", "Page.getNavigationHistory"] {
        assert!(!visit.cdp(kept, json!({})).to_string().contains(part), "the secret is in {kept}");
    }
    let log = crate::browser::shown(&visit.browser.log());
    assert!(!log.contains(part), "the secret is in the console");
}
