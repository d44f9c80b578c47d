//! `tokenry profile …` and `tokenry init`

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::Path,
};

use serde_json::json;

use crate::{
    cli::{InitArgs, ProfileCommand},
    output::{CliError, Console, View},
    settings::{Profile, Settings},
};

/// The settings that a profile leaves to the installation.
const HEADER: &str = "\
# Settings of Tokenry. Omitted keys have their defaults; docs/OPERATIONS.md lists all keys.
# Check a change with `tokenry doctor`, and its effect on existing tokens with `tokenry policy check --proposed`.

# The address and port of the HTTP server, and the database.
listen = \"127.0.0.1:8080\"
database_url = \"sqlite://tokenry.db\"

";

/// Lists, prints or checks profiles.
///
/// # Errors
/// Status 2 if there is no such profile or its settings have faults.
pub(crate) fn run(command: ProfileCommand, console: &mut Console) -> Result<(), CliError> {
    match command {
        ProfileCommand::List { folder: None } => list(&Profile::built_in(), console),
        ProfileCommand::List { folder: Some(folder) } => {
            let failed = |error| CliError::usage(format!("{}: {error}", folder.display()));
            list(&Profile::in_folder(&folder).map_err(failed)?, console)
        }
        ProfileCommand::Show { name } => console.text(&find(&name)?.text),
        ProfileCommand::Check { name } => check(&find(&name)?, console),
    }
}

/// Writes a settings file, of `profile` if it is given.
///
/// # Errors
/// Status 2 if there is no such profile; status 1 if the file exists or cannot be written.
pub(crate) fn init(args: &InitArgs, profile: Option<&str>, console: &mut Console) -> Result<(), CliError> {
    let profile = profile.map(find).transpose()?;
    let text = format!("{HEADER}{}", profile.as_ref().map_or("", |profile| profile.text.as_str()));
    let path = &args.file;
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        let failed = CliError::failed("conflict", format!("{}: {error}", path.display()));
        match error.kind() {
            ErrorKind::AlreadyExists => failed.next("name another file, or remove this one"),
            _ => failed,
        }
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| CliError::failed("internal_error", format!("{}: {error}", path.display())))?;
    console.note(&format!("wrote {}; start with `tokenry serve`", path.display()));
    Ok(())
}

fn find(name: &str) -> Result<Profile, CliError> {
    Profile::find(name, Path::new(""))
        .map_err(|what| CliError::usage(what).next("see `tokenry profile list`"))
}

fn list(profiles: &[Profile], console: &mut Console) -> Result<(), CliError> {
    let row = |profile: &Profile| vec![profile.name.clone(), profile.description().to_owned()];
    let document = |profile: &Profile| json!({ "name": profile.name, "description": profile.description() });
    let names = profiles.iter().map(|profile| profile.name.clone()).collect();
    let rows = profiles.iter().map(row).collect();
    let documents: Vec<_> = profiles.iter().map(document).collect();
    console.answer(&View::list(&["NAME", "DESCRIPTION"], rows, names, json!({ "data": documents })))
}

fn check(profile: &Profile, console: &mut Console) -> Result<(), CliError> {
    let settings = Settings::of_profile(profile, Path::new(""))
        .map_err(|problems| CliError::configuration(&problems))?;
    for warning in &settings.warnings {
        console.note(&warning.to_string());
    }
    console.note(&format!("{}: no faults", profile.name));
    Ok(())
}
