//! The commands, one module for each noun.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod cleanup;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod migrate;
pub(crate) mod policy;
mod refusal;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod user;

use tokenry_actix::clock;
use tokenry_service::{Caller, DatabaseUrl, RequestContext, Store, StoreSettings, Token, Tokenry, User};

use crate::{
    output::{CliError, View},
    settings::Settings,
};

/// The service on the database that the settings name, for the one call that a command is.
pub(crate) struct CommandContext {
    tokenry: Tokenry,
    request: RequestContext,
}

impl CommandContext {
    /// Opens the database, which is made and brought up to date where necessary: no server has to run first.
    pub(crate) fn open(settings: Settings) -> Result<Self, CliError> {
        let tokenry = start(settings)?;
        Ok(Self { tokenry, request: RequestContext::new(Caller::operator(), clock::now()) })
    }

    /// Opens the database as it is: nothing is made or brought up to date.
    ///
    /// # Errors
    /// Also if there is no database, or it was made by another version.
    pub(crate) fn open_as_it_is(settings: Settings) -> Result<Self, CliError> {
        let store = open_existing(&settings.database_url, settings.store)?;
        if !store.is_ready()? {
            let told = "the tables of the database are not those of this version";
            return Err(CliError::failed("service_unavailable", told)
                .status(503)
                .next("bring them up to date with `tokenry migrate run`"));
        }
        let tokenry = Tokenry::new(store, settings.service)?;
        Ok(Self { tokenry, request: RequestContext::new(Caller::operator(), clock::now()) })
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

/// Opens the database that the settings name.
pub(crate) fn open(url: &DatabaseUrl, settings: StoreSettings) -> Result<Store, CliError> {
    Store::open(url, settings).map_err(|error| CliError::from(error).about(&url.to_string()))
}

/// Opens the database that the settings name, if there is one.
fn open_existing(url: &DatabaseUrl, settings: StoreSettings) -> Result<Store, CliError> {
    match url.sqlite_path() {
        Some(path) if !path.exists() => {
            let told = format!("{url}: there is no such file");
            Err(CliError::failed("service_unavailable", told).status(503).next(
                "check database_url, or make the database with `tokenry serve` or `tokenry migrate run`",
            ))
        }
        _ => open(url, settings),
    }
}

/// Opens the database, brings it up to date and starts the service on it.
fn start(settings: Settings) -> Result<Tokenry, CliError> {
    let store = open(&settings.database_url, settings.store)?;
    store.migrate()?;
    Ok(Tokenry::new(store, settings.service)?)
}
