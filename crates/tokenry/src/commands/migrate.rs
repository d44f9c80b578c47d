//! `tokenry migrate …`

use serde_json::json;
use tokenry_service::{Store, grants};

use crate::{
    cli::{GrantsArgs, MigrateCommand},
    output::{CliError, Console, View},
};

/// Runs a `migrate` command.
pub(crate) fn run(command: MigrateCommand, store: &Store, console: &mut Console) -> Result<(), CliError> {
    match command {
        MigrateCommand::Run => {
            let applied = store.migrate()?;
            console.outcome(&names(&applied))?;
            console.note(&match applied.len() {
                0 => "the tables are up to date".to_owned(),
                1 => "applied 1 migration".to_owned(),
                count => format!("applied {count} migrations"),
            });
        }
        MigrateCommand::Revert { yes } => {
            console.confirm("Revert the latest migration? Data that only it can store is deleted.", yes)?;
            let reverted: Vec<_> = store.revert_migration()?.into_iter().collect();
            console.outcome(&names(&reverted))?;
            console.note(if reverted.is_empty() {
                "there is no migration to revert"
            } else {
                "reverted 1 migration"
            });
        }
        MigrateCommand::Status => {
            let steps = store.migrations()?;
            let rows = steps
                .iter()
                .map(|step| vec![step.name.clone(), state(step.is_applied, step.is_known).to_owned()]);
            let json = steps
                .iter()
                .map(|step| json!({"name": step.name, "applied": step.is_applied, "known": step.is_known}));
            let view = View::list(
                &["MIGRATION", "STATE"],
                rows.collect(),
                steps.iter().map(|step| step.name.clone()).collect(),
                json.collect(),
            );
            console.answer(&view)?;
        }
        MigrateCommand::Grants(args) => print_grants(&args, console)?,
    }
    Ok(())
}

/// Prints the SQL that the owner of the tables runs so that a role can serve; needs no database.
///
/// # Errors
/// Status 2 if a name is invalid.
pub(crate) fn print_grants(args: &GrantsArgs, console: &mut Console) -> Result<(), CliError> {
    let schema = args.schema.parse().map_err(|error| CliError::usage(format!("--schema: {error}")))?;
    let script = grants::script(&args.role, &schema);
    console.text(&script.map_err(|error| CliError::usage(format!("--role: {error}")))?)
}

fn state(is_applied: bool, is_known: bool) -> &'static str {
    match (is_applied, is_known) {
        (true, true) => "applied",
        (true, false) => "applied by a newer version",
        (false, _) => "missing",
    }
}

fn names(names: &[String]) -> View {
    View::list(&[], names.iter().map(|name| vec![name.clone()]).collect(), names.to_vec(), json!(names))
}
