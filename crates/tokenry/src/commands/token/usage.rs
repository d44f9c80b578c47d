//! `tokenry token usage`

use serde_json::json;
use tokenry_actix::wire;
use tokenry_service::{UsageCount, UsageKey, UsageQuery};

use crate::{
    cli::UsageArgs,
    commands::CommandContext,
    output::{CliError, Console, View},
};

/// Shows what a token was used for.
pub(super) fn run(args: &UsageArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let query = UsageQuery { from: args.from, to: args.to, limit: args.limit };
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
    let shown = page.uses.iter().fold(0, |sum: u64, (_, tally)| sum.saturating_add(tally.count));
    if shown < page.total_count {
        console.note(&format!("{shown} of {} uses; --limit and --to show others", page.total_count));
    }
    Ok(())
}

fn row((combination, tally): &(UsageKey, UsageCount)) -> Vec<String> {
    let text = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    vec![
        combination.start.to_string(),
        text(&combination.method),
        text(&combination.route),
        combination.status.to_string(),
        combination.ip.map_or("-".to_owned(), |ip| ip.to_string()),
        tally.count.to_string(),
        text(&combination.user_agent),
    ]
}
