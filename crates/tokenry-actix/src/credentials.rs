//! [`Credentials`]: the ways in which clients may present tokens.

use std::sync::{Arc, LazyLock};

use tokenry_service::{BasicForm, CredentialForms};

/// The ways to present a token besides `Authorization: Bearer`, for guarded routes, forward-auth, and the API. Default:
/// none. [`HttpSettings`](crate::HttpSettings) registers them; an app without Tokenry's API registers them as app data.
///
/// ```
/// use actix_web::App;
/// use tokenry_actix::{Credentials, tokenry::{BasicForm, CredentialForms}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let forms = CredentialForms::default().with_basic(BasicForm::Password).with_headers(["X-API-Key"])?;
/// let app = App::new().app_data(Credentials::new(forms));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials(Arc<Forms>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Forms {
    guarded: CredentialForms,
    api: CredentialForms,
    client: CredentialForms,
}

impl Default for Forms {
    fn default() -> Self {
        Self::of(CredentialForms::default(), CredentialForms::default())
    }
}

impl Forms {
    fn of(guarded: CredentialForms, api: CredentialForms) -> Self {
        let client = api.clone().with_basic(BasicForm::ClientSecret);
        Self { guarded, api, client }
    }
}

/// Where a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PresentedTo {
    /// A guarded route, or forward-auth on its behalf.
    Guarded,
    /// Tokenry's own API.
    Api,
    /// Introspection and verification, where the token authenticates an OAuth client.
    Client,
}

impl Credentials {
    /// Accepts these forms on guarded routes and by forward-auth, but not by Tokenry's own API.
    #[must_use]
    pub fn new(forms: CredentialForms) -> Self {
        Self(Arc::new(Forms::of(forms, CredentialForms::default())))
    }

    /// Accepts the same forms by Tokenry's own API, too.
    #[must_use]
    pub fn with_api(self) -> Self {
        let forms = self.0.guarded.clone();
        Self(Arc::new(Forms::of(forms.clone(), forms)))
    }

    /// The forms that are accepted here.
    pub(crate) fn forms(&self, to: PresentedTo) -> &CredentialForms {
        match to {
            PresentedTo::Guarded => &self.0.guarded,
            PresentedTo::Api => &self.0.api,
            PresentedTo::Client => &self.0.client,
        }
    }

    /// The default of an app that registers nothing.
    pub(crate) fn default_of_app() -> &'static Self {
        static DEFAULT: LazyLock<Credentials> = LazyLock::new(Credentials::default);
        &DEFAULT
    }
}
