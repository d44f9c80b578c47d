//! The commands, one module for each noun.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod migrate;
mod refusal;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod user;

use tokenry_actix::clock;
use tokenry_service::{Call, Caller, DatabaseUrl, Store, StoreSettings, Token, Tokenry, User};

use crate::{
    output::{Failure, View},
    settings::Settings,
};

/// The service on the database that the settings name, for the one call that a command is.
pub(crate) struct Session {
    tokenry: Tokenry,
    call: Call,
}

impl Session {
    /// Opens the database, which is made and brought up to date where necessary: no server has to run first.
    pub(crate) fn open(settings: Settings) -> Result<Self, Failure> {
        let tokenry = start(settings)?;
        Ok(Self { tokenry, call: Call::new(Caller::operator(), clock::now()) })
    }

    /// The user with this subject.
    fn user(&self, subject: &str) -> Result<User, Failure> {
        self.tokenry
            .find_user_by_subject(&self.call, subject)
            .map_err(|error| Failure::from(error).about(subject))
    }

    fn view(&self, pair: &(Token, User)) -> View {
        token::view::one(pair, &self.tokenry, self.call.now)
    }
}

/// Opens the database that the settings name.
pub(crate) fn open(url: &DatabaseUrl, settings: StoreSettings) -> Result<Store, Failure> {
    Store::open(url, settings).map_err(|error| Failure::from(error).about(&url.to_string()))
}

/// Opens the database, brings it up to date and starts the service on it.
fn start(settings: Settings) -> Result<Tokenry, Failure> {
    let store = open(&settings.database_url, settings.store)?;
    store.migrate()?;
    Ok(Tokenry::new(store, settings.service)?)
}
