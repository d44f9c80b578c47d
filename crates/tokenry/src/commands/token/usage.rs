//! `tokenry token usage`

use serde_json::json;
use tokenry_actix::wire;
use tokenry_service::{UsageCount, UsageKey, UsageQuery};

use crate::{
    cli::UsageArgs,
    commands::CommandContext,
    output::{CliError, Console, View},
};

/// Shows the recorded uses of a token.
pub(super) fn run(args: &UsageArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let query = UsageQuery::default().with_from(args.from).with_to(args.to).with_limit(args.limit);
    let page = context
        .tokenry
        .usage(&context.request, args.id, query)
        .map_err(|error| CliError::from(error).about(&args.id.to_string()))?;
    let rows = page.uses.iter().map(row).collect();
    console.answer(&View::list(
        &["MINUTE", "METHOD", "ROUTE", "STATUS", "FROM", "COUNT", "USER AGENT"],
        rows,
        Vec::new(),
        json!(wire::Usage::from(&page)),
    ))?;
    let shown = page.uses.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(count.count));
    if shown < page.total_count {
        console
            .note(&format!("showing {shown} of {} uses; use --limit and --to for others", page.total_count));
    }
    Ok(())
}

fn row((key, count): &(UsageKey, UsageCount)) -> Vec<String> {
    vec![
        key.start.to_string(),
        or_dash(&key.method),
        or_dash(&key.route),
        key.status.to_string(),
        key.ip.map_or("-".to_owned(), |ip| ip.to_string()),
        count.count.to_string(),
        or_dash(&key.user_agent),
    ]
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
