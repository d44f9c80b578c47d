//! `tokenry policy …`

use serde_json::json;
use tokenry_service::{Catalog, Policy};

use super::Session;
use crate::output::{Console, Failure, View};

/// Counts the live tokens that another policy and catalog would touch.
///
/// # Errors
/// Status 5 if there are any.
pub(crate) fn check(
    policy: &Policy,
    catalog: &Catalog,
    Session { tokenry, call }: &Session,
    console: &mut Console,
) -> Result<(), Failure> {
    let impact = tokenry.check_policy(call, policy, catalog)?;
    let counts = [
        ("live", impact.live),
        ("touched", impact.touched),
        ("ending_now", impact.ending_now),
        ("ending_sooner", impact.ending_sooner),
        ("losing_scopes", impact.losing_scopes),
        ("gaining_scopes", impact.gaining_scopes),
    ];
    let header = ["LIVE", "TOUCHED", "ENDING NOW", "ENDING SOONER", "LOSING SCOPES", "GAINING SCOPES"];
    let row = counts.iter().map(|(_, count)| count.to_string()).collect();
    let line = counts.map(|(name, count)| format!("{name}={count}")).join(" ");
    let json = counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    console.answer(&View::list(&header, vec![row], vec![line], json))?;
    if impact.touched == 0 {
        return Ok(());
    }
    let told = format!("{} of {} live tokens would be touched", impact.touched, impact.live);
    Err(Failure::no("tokens_touched", told).next("nothing was changed"))
}
