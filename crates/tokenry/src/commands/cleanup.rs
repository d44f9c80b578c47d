//! `tokenry cleanup`

use serde_json::json;
use tokenry_actix::wire;

use super::Session;
use crate::output::{Console, Failure, View};

/// Cleans up, and tells what that changed. By a clock that may be far ahead only if the operator has looked at it.
pub(crate) fn run(
    accept_clock: bool,
    Session { tokenry, call }: &Session,
    console: &mut Console,
) -> Result<(), Failure> {
    let cleaned = if accept_clock { tokenry.cleanup(call)? } else { tokenry.cleanup_by_clock(call)? };
    let attributes = [
        ("Expired", cleaned.expired),
        ("Ended sessions", cleaned.ended_sessions),
        ("Purged tokens", cleaned.purged_tokens),
        ("Purged uses", cleaned.purged_uses),
    ];
    let rows = attributes.map(|(name, count)| vec![name.to_owned(), count.to_string()]);
    console.outcome(&View::list(&[], rows.to_vec(), Vec::new(), json!(wire::Cleaned::from(cleaned))))
}
