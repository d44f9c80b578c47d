//! `tokenry policy …`

use serde_json::{Map, Value, json};
use tokenry_service::{Settings, SettingsOutline, SettingsReport};

use super::CommandContext;
use crate::output::{CliError, Console, View};

/// Counts the live tokens that other settings would affect, and the stored rows that would become invalid.
///
/// # Errors
/// Status 5 if there are any.
pub(crate) fn check(
    proposed: &Settings,
    CommandContext { tokenry, request }: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let impact = tokenry.check_policy(request, &proposed.policy, &proposed.catalog)?;
    let report = tokenry.check_settings(request, &SettingsOutline::of(proposed))?;
    let counts = [
        ("live", impact.live),
        ("touched", impact.touched),
        ("ending_now", impact.ending_now),
        ("ending_sooner", impact.ending_sooner),
        ("losing_scopes", impact.losing_scopes),
        ("gaining_scopes", impact.gaining_scopes),
        ("refused_prefixes", report.prefixes.values().sum()),
        ("missing_peppers", report.peppers.values().sum()),
        ("missing_roles", report.token_roles.values().sum()),
        ("old_secrets", report.old_secrets),
        ("unreachable_users", report.subjects),
    ];
    let header = [
        "LIVE",
        "TOUCHED",
        "ENDING NOW",
        "ENDING SOONER",
        "LOSING SCOPES",
        "GAINING SCOPES",
        "REFUSED PREFIXES",
        "MISSING PEPPERS",
        "MISSING ROLES",
        "OLD SECRETS",
        "UNREACHABLE USERS",
    ];
    let row = counts.iter().map(|(_, count)| count.to_string()).collect();
    let line = counts.map(|(name, count)| format!("{name}={count}")).join(" ");
    let mut json: Map<_, _> =
        counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    json.insert("stored".to_owned(), document(&report));
    console.answer(&View::list(&header, vec![row], vec![line], json.into()))?;
    let mut findings = report.sentences();
    if impact.touched > 0 {
        findings.insert(0, format!("{} of {} live tokens would be affected", impact.touched, impact.live));
    }
    if findings.is_empty() {
        return Ok(());
    }
    let code = if report.is_clean() { "tokens_touched" } else { "stored_rows_invalid" };
    Err(CliError::no(code, findings.join("; ")).next("nothing was changed"))
}

/// The report as JSON.
pub(super) fn document(report: &SettingsReport) -> Value {
    json!({
        "prefixes": report.prefixes,
        "peppers": report.peppers,
        "token_roles": report.token_roles,
        "user_roles": report.user_roles,
        "old_secrets": report.old_secrets,
        "unreachable_users": report.subjects,
        "default_scopes": report.default_scopes,
    })
}
