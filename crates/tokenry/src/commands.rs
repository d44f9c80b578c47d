//! The commands, one module per noun.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod cleanup;
pub(crate) mod completions;
pub(crate) mod doctor;
mod error_mapping;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod migrate;
pub(crate) mod nodes;
pub(crate) mod patterns;
pub(crate) mod policy;
pub(crate) mod presented;
pub(crate) mod profile;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod user;

use tokenry_actix::clock;
use tokenry_service::{
    DatabaseUrl, RequestContext, Store, StoreSettings, Token, Tokenry, User, unrestricted,
};

use crate::{
    output::{CliError, View},
    settings::Settings,
};

/// The service on the configured database and the request context of the command.
pub(crate) struct CommandContext {
    tokenry: Tokenry,
    request: RequestContext,
}

impl CommandContext {
    /// Opens the database and creates and migrates it if necessary, so that no server has to run first.
    pub(crate) fn open(settings: Settings) -> Result<Self, CliError> {
        let tokenry = start(settings)?;
        Ok(Self { tokenry, request: RequestContext::new(unrestricted::operator(), clock::now()) })
    }

    /// Opens the database without creating or migrating it.
    ///
    /// # Errors
    /// Also if there is no database, or its tables belong to another version.
    pub(crate) fn open_unmigrated(settings: Settings) -> Result<Self, CliError> {
        let store = open_existing(&settings.database_url, settings.store)?;
        if !store.is_ready()? {
            let detail = "the tables of the database do not match this version";
            return Err(CliError::failed("service_unavailable", detail)
                .status(503)
                .next("migrate them with `tokenry migrate run`"));
        }
        let tokenry = Tokenry::new(store, settings.service)?;
        Ok(Self { tokenry, request: RequestContext::new(unrestricted::operator(), clock::now()) })
    }

    /// The user with this subject.
    fn user(&self, subject: &str) -> Result<User, CliError> {
        self.tokenry
            .find_user_by_subject(&self.request, subject)
            .map_err(|error| CliError::from(error).about(subject))
    }

    fn view(&self, pair: &(Token, User)) -> View {
        token::view::one(pair, &self.tokenry, self.request.now)
    }
}

/// Opens the configured database.
pub(crate) fn open(url: &DatabaseUrl, settings: StoreSettings) -> Result<Store, CliError> {
    Store::open(url, settings).map_err(|error| CliError::from(error).about(&url.to_string()))
}

/// Opens the configured database without creating it.
fn open_existing(url: &DatabaseUrl, settings: StoreSettings) -> Result<Store, CliError> {
    match url.sqlite_path() {
        Some(path) if !path.exists() => {
            let detail = format!("{url}: no such file");
            Err(CliError::failed("service_unavailable", detail).status(503).next(
                "check database_url, or create the database with `tokenry serve` or `tokenry migrate run`",
            ))
        }
        _ => open(url, settings),
    }
}

/// Opens and migrates the database and starts the service on it.
fn start(settings: Settings) -> Result<Tokenry, CliError> {
    let store = open(&settings.database_url, settings.store)?;
    store.migrate()?;
    Ok(Tokenry::new(store, settings.service)?)
}
