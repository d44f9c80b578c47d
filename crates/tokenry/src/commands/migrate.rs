//! `tokenry migrate …`

use serde_json::json;
use tokenry_service::{Store, grants};

use crate::{
    cli::{GrantsArgs, MigrateCommand},
    output::{CliError, Console, View},
};

/// Changes the tables, or lists what was done to them.
pub(crate) fn run(command: MigrateCommand, store: &Store, console: &mut Console) -> Result<(), CliError> {
    match command {
        MigrateCommand::Run => {
            let done = store.migrate()?;
            console.outcome(&names(&done))?;
            console.note(&match done.len() {
                0 => "the tables are up to date".to_owned(),
                1 => "applied 1 migration".to_owned(),
                count => format!("applied {count} migrations"),
            });
        }
        MigrateCommand::Revert { yes } => {
            console.confirm("Undo the latest migration? What only it can hold is deleted.", yes)?;
            let undone: Vec<_> = store.revert_migration()?.into_iter().collect();
            console.outcome(&names(&undone))?;
            console.note(if undone.is_empty() {
                "there is no migration to undo"
            } else {
                "undid 1 migration"
            });
        }
        MigrateCommand::Status => {
            let steps = store.migrations()?;
            let state = |applied, known| match (applied, known) {
                (true, true) => "applied",
                (true, false) => "applied by a newer version",
                (false, _) => "missing",
            };
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

/// Prints what the owner of the tables has to run so that a role can serve; it needs no database.
///
/// # Errors
/// Status 2 if a name is none.
pub(crate) fn print_grants(args: &GrantsArgs, console: &mut Console) -> Result<(), CliError> {
    let schema = args.schema.parse().map_err(|error| CliError::usage(format!("--schema: {error}")))?;
    let script = grants::script(&args.role, &schema);
    console.text(&script.map_err(|error| CliError::usage(format!("--role: {error}")))?)
}

fn names(names: &[String]) -> View {
    View::list(&[], names.iter().map(|name| vec![name.clone()]).collect(), names.to_vec(), json!(names))
}
