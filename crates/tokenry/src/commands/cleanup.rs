//! `tokenry cleanup`

use serde_json::json;
use tokenry_actix::wire;

use super::CommandContext;
use crate::output::{CliError, Console, View};

/// Cleans up and prints what changed. A clock that may be far ahead is used only with `accept_clock`.
pub(crate) fn run(
    accept_clock: bool,
    CommandContext { tokenry, request }: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let cleaned = if accept_clock { tokenry.cleanup(request)? } else { tokenry.cleanup_by_clock(request)? };
    let attributes = [
        ("Expired", cleaned.expired),
        ("Ended sessions", cleaned.ended_sessions),
        ("Purged tokens", cleaned.purged_tokens),
        ("Purged uses", cleaned.purged_uses),
    ];
    let rows = attributes.map(|(name, count)| vec![name.to_owned(), count.to_string()]);
    console.outcome(&View::list(&[], rows.to_vec(), Vec::new(), json!(wire::CleanupReport::from(cleaned))))
}
