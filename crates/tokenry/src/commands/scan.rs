//! `tokenry scan`

mod finder;
mod finding;
mod search;
mod status;
mod walk;

use std::collections::BTreeSet;

use serde_json::json;

use self::{
    finder::Finder,
    finding::{Finding, Findings, Location, Report},
    walk::{is_input, search_input, search_paths},
};
use super::{CommandContext, patterns};
use crate::{
    cli::ScanArgs,
    output::{CliError, Console, View},
    settings::Settings,
};

/// Searches files and standard input for tokens and prints where they are.
///
/// # Errors
/// Status 1 if there are tokens; 2 if something could not be searched, or with `--status` looked up.
pub(crate) fn run(args: &ScanArgs, settings: Settings, console: &mut Console) -> Result<(), CliError> {
    let finder = Finder::new(patterns::prefixes(&settings), patterns::shapes(&settings, console))
        .map_err(|error| CliError::incomplete_scan(format!("the patterns cannot be compiled: {error}")))?;
    let (input, paths): (Vec<_>, Vec<_>) = args.paths.iter().partition(|path| is_input(path));
    let findings = Findings::default();
    if !input.is_empty() {
        search_input(console.input(), &finder, &findings);
    }
    search_paths(&paths, args.respect_gitignore, &finder, &findings);
    let mut findings = findings.into_report();
    if args.status {
        let context = CommandContext::open_unmigrated(settings).map_err(CliError::of_scan)?;
        status::look_up(&mut findings.found, &context).map_err(CliError::of_scan)?;
    }
    let mut header = vec!["LOCATION", "TOKEN"];
    if args.status {
        header.extend(["STATUS", "OWNER", "ID"]);
    }
    let rows = findings.found.iter().map(Finding::row).collect();
    let json = json!({
        "data": findings.found.iter().map(Finding::json).collect::<Vec<_>>(),
        "files": findings.files,
        "bytes": findings.bytes,
        "skipped_binary": findings.skipped_binary,
        "errors": findings.errors,
    });
    for error in &findings.errors {
        console.note(error);
    }
    if !findings.found.is_empty() || console.is_json() {
        let view = View::list(&header, rows, names(&findings.found, args.status), json);
        console.answer(&view).map_err(CliError::of_scan)?;
    }
    outcome(&findings)
}

/// The ids of tokens that still work, as arguments of other commands; without `--status`, what is shown of each token.
fn names(found: &[Finding], has_status: bool) -> Vec<String> {
    let mut names: Vec<String> = found
        .iter()
        .filter_map(|finding| if has_status { finding.live_id() } else { Some(finding.shown.clone()) })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn outcome(findings: &Report) -> Result<(), CliError> {
    let found = count(findings.found.len(), "token");
    if !findings.errors.is_empty() {
        let detail =
            format!("{} could not be searched; {found} found", count(findings.errors.len(), "place"));
        return Err(CliError::incomplete_scan(detail));
    }
    if findings.found.is_empty() {
        return Ok(());
    }
    let locations: BTreeSet<&Location> = findings.found.iter().map(|finding| &finding.location).collect();
    let detail = format!("{found} in {}", count(locations.len(), "place"));
    Err(CliError::failed("tokens_found", detail).next("revoke those that are live, and remove the text"))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
