//! `tokenry doctor`

mod check;
mod file_mode;

use tokenry_actix::clock;
use tokenry_service::{Caller, ClockFault, RequestContext, RoleRights, SettingsOutline, Store, Tokenry};

use self::check::{Checks, Finding};
use super::{audit, open_existing, refusal::UNUSABLE};
use crate::{
    output::{CliError, Console},
    settings::{Problem, Settings},
};

/// Checks everything a server needs, in the order in which one thing needs another, and changes nothing of it.
///
/// # Errors
/// Status 5 if a check says no, status 1 if one could not be made.
pub(crate) fn run(settings: Result<Settings, Vec<Problem>>, console: &mut Console) -> Result<(), CliError> {
    let mut checks = Checks::default();
    match settings {
        Ok(settings) => {
            let ignored = match settings.foreign_variables.join(" ") {
                names if names.is_empty() => names,
                names => format!("; ignored are variables of other programs: {names}"),
            };
            let warnings: String = settings.warnings.iter().map(|warning| format!("; {warning}")).collect();
            checks.add("settings", Finding::ok(format!("read and accepted{ignored}{warnings}")));
            let url = settings.database_url.clone();
            database(settings, &mut checks);
            if let Some(path) = url.sqlite_path() {
                checks.add("files", file_mode::check(path));
            }
        }
        Err(problems) => {
            let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            checks.add("settings", Finding::no(told));
        }
    }
    console.answer(&checks.view())?;
    checks.verdict()
}

/// Each check needs the one before it; after the first that fails nothing is known about the rest.
fn database(settings: Settings, checks: &mut Checks) {
    let url = settings.database_url.to_string();
    let store = match open_existing(&settings.database_url, settings.store) {
        Ok(store) => store,
        Err(failure) => return checks.add("database", not_made(failure)),
    };
    checks.add("database", Finding::ok(format!("{url} answers")));
    let finding = migrations(&store);
    let is_current = finding.is_ok();
    checks.add("migrations", finding);
    if !is_current {
        return;
    }
    match store.role_rights() {
        Ok(None) => {}
        Ok(Some(found)) => checks.add("rights", rights(&found)),
        Err(error) => checks.add("rights", not_made(error)),
    }
    let outline = SettingsOutline::of(&settings.service);
    let tokenry = match Tokenry::new(store, settings.service) {
        Ok(tokenry) => tokenry,
        Err(error) => return checks.add("hash key", Finding::no(CliError::from(error).text())),
    };
    checks.add("hash key", Finding::ok("the one this database was begun with, or none is needed"));
    checks.add("stored rows", stored_rows(&tokenry, &outline));
    checks.add("audit log", audit_log(&tokenry));
    checks.add("clock", clock_check(&tokenry));
}

fn migrations(store: &Store) -> Finding {
    let steps = match store.migrations() {
        Ok(steps) => steps,
        Err(error) => return not_made(error),
    };
    let missing = steps.iter().filter(|step| !step.is_applied).count();
    if let Some(step) = steps.iter().find(|step| !step.is_known) {
        let told = format!("the database has {}, which this version does not know", step.name);
        return Finding::no(format!("{told}; run a newer version"));
    }
    match missing {
        0 => Finding::ok(format!("all {} applied", steps.len())),
        _ => Finding::no(format!("{missing} of {} missing; run `tokenry migrate run`", steps.len())),
    }
}

fn rights(found: &RoleRights) -> Finding {
    let RoleRights { role, missing, rewrites_log } = found;
    match (missing.as_slice(), rewrites_log) {
        ([], false) => {
            Finding::ok(format!("the role \"{role}\" may serve, and may not change the audit log"))
        }
        ([], true) => Finding::ok(format!(
            "the role \"{role}\" may serve, and change the audit log as well; `tokenry migrate grants` makes one that may not"
        )),
        (missing, _) => Finding::no(format!(
            "the role \"{role}\" lacks {}; run what `tokenry migrate grants` prints as the owner of the tables",
            missing.join(", ")
        )),
    }
}

/// What the settings leave of what was made under others.
fn stored_rows(tokenry: &Tokenry, outline: &SettingsOutline) -> Finding {
    let request = RequestContext::new(Caller::operator(), clock::now());
    match tokenry.check_settings(&request, outline) {
        Ok(report) if report.is_clean() => {
            Finding::ok(format!("these settings are good for all of them; live tokens: {}", report.live))
        }
        Ok(report) => Finding::no(report.to_string()),
        Err(error) => not_made(error),
    }
}

/// A check that could not be made, unless the database says no to it.
fn not_made(error: impl Into<CliError>) -> Finding {
    let failure = error.into();
    match failure.is(UNUSABLE) {
        true => Finding::no(failure.text()),
        false => Finding::unknown(failure.text()),
    }
}

fn clock_check(tokenry: &Tokenry) -> Finding {
    match tokenry.check_clock(clock::now()) {
        Ok(faults) => {
            // A long quiet time is no fault by itself; only a cleanup has to be sure.
            let wrong = |fault: &&ClockFault| !matches!(fault, ClockFault::Unconfirmed(_));
            let told: Vec<_> = faults.iter().filter(wrong).map(ToString::to_string).collect();
            match (told.as_slice(), faults.first()) {
                ([], None) => Finding::ok("agrees with the database, as far as it knows the time"),
                ([], Some(quiet)) => {
                    Finding::ok(format!("{quiet}; a cleanup waits for a day of running or --accept-clock"))
                }
                (told, _) => Finding::no(format!("{}; set the clock right", told.join("; "))),
            }
        }
        Err(error) => not_made(error),
    }
}

fn audit_log(tokenry: &Tokenry) -> Finding {
    let request = RequestContext::new(Caller::operator(), clock::now());
    let broken = |what: &str| {
        Finding::no(format!("not as it was written: {what}; `tokenry audit verify` says the same"))
    };
    match tokenry.check_audit_log(&request) {
        Ok(checked) => match checked.broken {
            None => Finding::ok(audit::whole(checked.entries)),
            Some((seq, fault)) => broken(&audit::place(seq, &fault)),
        },
        Err(error) => not_made(error),
    }
}
