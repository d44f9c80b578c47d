//! `tokenry doctor`

mod check;
mod file_mode;

use tokenry_actix::clock;
use tokenry_service::{
    ClockFault, RequestContext, RoleRights, SettingsOutline, Store, Tokenry, unrestricted,
};

use self::check::{Checks, Finding};
use super::{audit, error_mapping::UNUSABLE, open_existing};
use crate::{
    output::{CliError, Console},
    settings::{Problem, Settings},
};

/// Runs all checks in the order of their dependencies and changes nothing.
///
/// # Errors
/// Status 5 if a check fails, status 1 if one cannot be run.
pub(crate) fn run(settings: Result<Settings, Vec<Problem>>, console: &mut Console) -> Result<(), CliError> {
    let mut checks = Checks::default();
    match settings {
        Ok(settings) => {
            let ignored = match settings.foreign_variables.join(" ") {
                names if names.is_empty() => names,
                names => format!("; ignored variables of other programs: {names}"),
            };
            let warnings: String = settings.warnings.iter().map(|warning| format!("; {warning}")).collect();
            checks.add("settings", Finding::ok(format!("valid{ignored}{warnings}")));
            let url = settings.database_url.clone();
            database(settings, &mut checks);
            if let Some(path) = url.sqlite_path() {
                checks.add("files", file_mode::check(path));
            }
        }
        Err(problems) => {
            let faults = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            checks.add("settings", Finding::failed(faults));
        }
    }
    console.answer(&checks.view())?;
    checks.verdict()
}

/// Each check depends on the one before it, so the first failure ends the sequence.
fn database(settings: Settings, checks: &mut Checks) {
    let url = settings.database_url.to_string();
    let store = match open_existing(&settings.database_url, settings.store) {
        Ok(store) => store,
        Err(failure) => return checks.add("database", not_run(failure)),
    };
    checks.add("database", Finding::ok(format!("{url} is reachable")));
    let finding = migrations(&store);
    let is_current = finding.is_ok();
    checks.add("migrations", finding);
    if !is_current {
        return;
    }
    match store.role_rights() {
        Ok(None) => {}
        Ok(Some(found)) => checks.add("rights", rights(&found)),
        Err(error) => checks.add("rights", not_run(error)),
    }
    if let Some(finding) = replication(&store) {
        checks.add("replication", finding);
    }
    let outline = SettingsOutline::of(&settings.service);
    let tokenry = match Tokenry::new(store, settings.service) {
        Ok(tokenry) => tokenry,
        Err(error) => return checks.add("hash key", Finding::failed(CliError::from(error).text())),
    };
    checks.add("hash key", Finding::ok("matches the database, or none is needed"));
    checks.add("stored rows", stored_rows(&tokenry, &outline));
    checks.add("audit log", audit_log(&tokenry));
    checks.add("clock", clock_check(&tokenry));
    if let Some(finding) = providers(&tokenry) {
        checks.add("providers", finding);
    }
}

fn migrations(store: &Store) -> Finding {
    let steps = match store.migrations() {
        Ok(steps) => steps,
        Err(error) => return not_run(error),
    };
    let missing = steps.iter().filter(|step| !step.is_applied).count();
    if let Some(step) = steps.iter().find(|step| !step.is_known) {
        let detail = format!("the database has {}, which this version does not know", step.name);
        return Finding::failed(format!("{detail}; run a newer version"));
    }
    match missing {
        0 => Finding::ok(format!("all {} applied", steps.len())),
        _ => Finding::failed(format!("{missing} of {} pending; run `tokenry migrate run`", steps.len())),
    }
}

fn rights(found: &RoleRights) -> Finding {
    let RoleRights { role, missing, rewrites_log, .. } = found;
    match (missing.as_slice(), rewrites_log) {
        ([], false) => Finding::ok(format!("the role \"{role}\" can serve and cannot modify the audit log")),
        ([], true) => Finding::ok(format!(
            "the role \"{role}\" can serve, but can also modify the audit log; `tokenry migrate grants` prints the rights of a role that cannot"
        )),
        (missing, _) => Finding::failed(format!(
            "the role \"{role}\" lacks {}; run the output of `tokenry migrate grants` as the owner of the tables",
            missing.join(", ")
        )),
    }
}

/// Whether an answered change survives a failover; nothing on SQLite. What may be lost is a choice, and no fault.
fn replication(store: &Store) -> Option<Finding> {
    let found = match store.replication() {
        Ok(found) => found?,
        Err(error) => return Some(not_run(error)),
    };
    Some(Finding::ok(match (found.warning(), found.receivers) {
        (Some(warning), _) => format!("WARNING: {warning}"),
        (None, 0) => "no standby is connected".to_owned(),
        (None, receivers) => format!("commits wait for standbys; {receivers} connected"),
    }))
}

/// Whether stored rows are still valid under these settings.
fn stored_rows(tokenry: &Tokenry, outline: &SettingsOutline) -> Finding {
    let request = RequestContext::new(unrestricted::operator(), clock::now());
    match tokenry.check_settings(&request, outline) {
        Ok(report) if report.is_clean() => {
            Finding::ok(format!("all are valid under these settings; live tokens: {}", report.live))
        }
        Ok(report) => Finding::failed(report.to_string()),
        Err(error) => not_run(error),
    }
}

/// A check that could not be run, or that failed because the database is unusable.
fn not_run(error: impl Into<CliError>) -> Finding {
    let failure = error.into();
    match failure.is(UNUSABLE) {
        true => Finding::failed(failure.text()),
        false => Finding::unknown(failure.text()),
    }
}

fn clock_check(tokenry: &Tokenry) -> Finding {
    match tokenry.check_clock(clock::now()) {
        Ok(faults) => {
            // A long idle time is not a fault by itself; only a cleanup needs certainty.
            let is_fault = |fault: &&ClockFault| !matches!(fault, ClockFault::Unconfirmed(_));
            let found: Vec<_> = faults.iter().filter(is_fault).map(ToString::to_string).collect();
            match (found.as_slice(), faults.first()) {
                ([], None) => Finding::ok("agrees with the database as far as it knows the time"),
                ([], Some(unconfirmed)) => Finding::ok(format!(
                    "{unconfirmed}; a cleanup requires a day of uptime or --accept-clock"
                )),
                (found, _) => Finding::failed(format!("{}; correct the clock", found.join("; "))),
            }
        }
        Err(error) => not_run(error),
    }
}

/// Whether each OpenID provider responds and supports what the settings say; nothing without providers.
fn providers(tokenry: &Tokenry) -> Option<Finding> {
    let found = tokenry.check_providers();
    if found.is_empty() {
        return None;
    }
    let faults: Vec<_> = found
        .iter()
        .flat_map(|check| check.faults.iter().map(move |fault| format!("{}: {fault}", check.id)))
        .collect();
    if !faults.is_empty() {
        let is_wrong = found.iter().any(|check| check.is_reachable && !check.faults.is_empty());
        let text = faults.join("; ");
        return Some(if is_wrong { Finding::failed(text) } else { Finding::unknown(text) });
    }
    let redirects: Vec<_> = found
        .iter()
        .map(|check| format!("{} with the redirect URI {}", check.id, check.redirect_uri))
        .collect();
    Some(Finding::ok(format!("all respond and support the settings: {}", redirects.join(", "))))
}

fn audit_log(tokenry: &Tokenry) -> Finding {
    let request = RequestContext::new(unrestricted::operator(), clock::now());
    match tokenry.check_audit_log(&request) {
        Ok(checked) => match checked.broken {
            None => Finding::ok(audit::intact(checked.entries)),
            Some((seq, fault)) => {
                let position = audit::position(seq, &fault);
                Finding::failed(format!("modified: {position}; see `tokenry audit verify`"))
            }
        },
        Err(error) => not_run(error),
    }
}
