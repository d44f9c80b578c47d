//! `tokenry import`

mod fields;
mod reader;

use std::{collections::HashMap, fs::File, io::BufReader, path::Path};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokenry_service::{ImportError, ImportPlan, ImportReport, ImportSettings};

pub(super) use self::fields::FIELDS;
use super::CommandContext;
use crate::{
    cli::ImportArgs,
    output::{CliError, Console, View},
};

/// How many refused rows a table lists; the JSON document has all.
const LISTED: usize = 50;

/// Checks all rows, stores them and prints a report.
///
/// # Errors
/// Status 5 if rows were refused.
pub(crate) fn run(args: ImportArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let mut scope_map: HashMap<String, Vec<String>> = HashMap::new();
    for (old, new) in args.scope_map {
        scope_map.entry(old).or_default().extend(new);
    }
    let settings =
        ImportSettings { source: args.source, shape: args.shape, create_users: args.create_users, scope_map };
    let plan = read(&args.file, &settings, context, console)?;
    let refused = plan.refused().len();
    let mut summary = Summary::of(&plan, args.dry_run);
    let may_run = refused == 0 || args.skip_refused;
    if may_run && !args.dry_run {
        summary.report = store(plan, context, console)?;
    }
    console.outcome(&summary.view(may_run))?;
    if summary.expired > 0 {
        console.note(&format!(
            "{} tokens are expired under the policy of this installation and will be refused",
            summary.expired
        ));
    }
    if refused == 0 {
        return Ok(());
    }
    let what = if may_run { "the others were not affected" } else { "nothing was imported" };
    Err(CliError::no("rows_refused", format!("{refused} rows were refused; {what}"))
        .next("correct the rows, or leave them out with --skip-refused"))
}

fn read(
    file: &Path,
    settings: &ImportSettings,
    context: &CommandContext,
    console: &mut Console,
) -> Result<ImportPlan, CliError> {
    let CommandContext { tokenry, request } = context;
    if file == Path::new("-") {
        let rows = reader::rows(console.input())?;
        return Ok(tokenry.plan_import(request, settings, rows)?);
    }
    let opened = File::open(file);
    let opened = opened.map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
    let mut opened = BufReader::new(opened);
    let rows = reader::rows(&mut opened)?;
    Ok(tokenry.plan_import(request, settings, rows)?)
}

fn store(plan: ImportPlan, context: &CommandContext, console: &Console) -> Result<ImportReport, CliError> {
    let bar = if console.shows_progress() { ProgressBar::new(plan.tokens()) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {eta}") {
        bar.set_style(style);
    }
    let done = context.tokenry.run_import(&context.request, plan, &mut |stored| bar.inc(stored));
    bar.finish_and_clear();
    Ok(done?)
}

/// What is printed at the end.
struct Summary {
    is_dry_run: bool,
    tokens: u64,
    new_users: u64,
    already_imported: u64,
    ended: u64,
    expired: u64,
    refused: Vec<tokenry_service::RefusedRow>,
    report: ImportReport,
}

impl Summary {
    fn of(plan: &ImportPlan, is_dry_run: bool) -> Self {
        Self {
            is_dry_run,
            tokens: plan.tokens(),
            new_users: plan.new_users(),
            already_imported: plan.already_imported(),
            ended: plan.ended(),
            expired: plan.expired(),
            refused: plan.refused().to_vec(),
            report: ImportReport::default(),
        }
    }

    fn view(&self, may_run: bool) -> View {
        // A dry run reports what would be done.
        let would = |count: u64| if self.is_dry_run && may_run { count } else { 0 };
        let imported = self.report.imported + would(self.tokens);
        let created_users = self.report.created_users + would(self.new_users);
        let mut rows: Vec<Vec<String>> = [
            (if self.is_dry_run { "Would be imported" } else { "Imported" }, imported),
            ("Imported before", self.already_imported),
            ("Left out, revoked or expired there", self.ended),
            (if self.is_dry_run { "Users that would be created" } else { "Created users" }, created_users),
            ("Refused", u64::try_from(self.refused.len()).unwrap_or(u64::MAX)),
        ]
        .map(|(name, count)| vec![name.to_owned(), count.to_string()])
        .to_vec();
        rows.extend(
            self.refused
                .iter()
                .take(LISTED)
                .map(|row| vec![format!("  line {} ({})", row.line, row.id), row.reason.clone()]),
        );
        if self.refused.len() > LISTED {
            rows.push(vec![format!("  and {} more", self.refused.len() - LISTED), String::new()]);
        }
        let refused: Vec<_> = self
            .refused
            .iter()
            .map(|row| json!({"line": row.line, "id": row.id, "reason": row.reason}))
            .collect();
        let document = json!({
            "dry_run": self.is_dry_run,
            "imported": imported,
            "imported_before": self.already_imported,
            "ended": self.ended,
            "created_users": created_users,
            "expired": self.expired,
            "refused": refused,
        });
        View::list(&[], rows, Vec::new(), document)
    }
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        let text = error.to_string();
        match error {
            ImportError::Denied(denial) => denial.into(),
            ImportError::Source => Self::usage(format!("--source: {text}")),
            ImportError::Concurrent => {
                Self::failed("conflict", text).status(409).next("run the same command again to resume it")
            }
            ImportError::Store(error) => {
                Self::from(error).next("no token was activated; run the same command again to resume it")
            }
            _ => Self::failed("internal_error", text).status(500),
        }
    }
}
