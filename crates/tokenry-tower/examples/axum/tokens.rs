//! Tokens of accounts: what connects the service with Tokenry.

use std::error::Error;

use tokenry_tower::tokenry::{
    Catalog, IssueError, NewToken, NewUser, Prefix, RequestContext, Role, Settings, Store, StoreSettings,
    Tokenry, User, UserChanges, UserError,
    catalog::{Definition, ResourceDefinition, RoleDefinition},
    unrestricted,
};

use super::{accounts::Account, clock::now};

/// Step 1: the database of tokens and the settings.
pub(crate) fn open(database_url: &str) -> Result<Tokenry, Box<dyn Error>> {
    let store = Store::open(&database_url.parse()?, StoreSettings::default())?;
    store.migrate()?;
    let settings = Settings::default().with_prefix(Prefix::parse("notes_")?).with_catalog(catalog()?);
    Ok(Tokenry::new(store, settings)?)
}

/// Step 2: the scopes of this service, and what each of its roles may have at most.
fn catalog() -> Result<Catalog, Box<dyn Error>> {
    let mut notes = ResourceDefinition::new("notes");
    notes.description = "Your notes".to_owned();
    notes.levels = vec!["read".to_owned(), "write".to_owned()];
    let role = |name: &str, scopes: [&str; 2]| RoleDefinition::new(name, scopes.map(str::to_owned).to_vec());
    let mut definition = Definition::default();
    definition.resources = vec![notes];
    // From the least to the most; `tokens:write` lets account holders create tokens.
    definition.roles =
        vec![role("reader", ["notes:read", "tokens:write"]), role("editor", ["notes:write", "tokens:write"])];
    Catalog::define(&definition)
        .map_err(|errors| errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ").into())
}

/// Step 4: the owner of an account's tokens. The id of the account is the subject, and its rights are the role, as they are
/// now. Blocks the thread.
pub(crate) fn owner(tokenry: &Tokenry, account: &Account) -> Result<User, UserError> {
    let context = RequestContext::new(unrestricted::operator(), now());
    let role = if account.is_editor { "editor" } else { "reader" };
    let role: Role = role.parse().map_err(|_| UserError::NotFound)?;
    let new = NewUser::default().with_name(account.name.to_owned()).with_role(role.clone());
    let user = tokenry.find_or_create_user(&context, &account.id.to_string(), Some(new))?;
    if user.role == role {
        return Ok(user);
    }
    tokenry.update_user(&context, user.id, UserChanges::default().with_role(role))
}

/// Step 4: creates a token for an account holder who has signed in. Returns the secret. Blocks the thread.
pub(crate) fn create(
    tokenry: &Tokenry,
    account: &Account,
    name: String,
    scopes: Vec<String>,
) -> Result<String, IssueError> {
    let owner = owner(tokenry, account).map_err(|error| match error {
        UserError::Store(error) => IssueError::Store(error),
        _ => IssueError::NoSuchUser,
    })?;
    let id = owner.id;
    let caller = tokenry.caller_for_user(owner).ok_or(IssueError::OwnerDisabled)?;
    let new = NewToken::new(name).with_scopes(scopes);
    let issued = tokenry.issue_token(&RequestContext::new(caller, now()), id, new)?;
    Ok(issued.secret.reveal_once().to_string())
}

/// Step 5: ends all tokens of an account that is closed. Blocks the thread.
pub(crate) fn end(tokenry: &Tokenry, account: &Account) -> Result<(), UserError> {
    let owner = owner(tokenry, account)?;
    tokenry.delete_user(&RequestContext::new(unrestricted::operator(), now()), owner.id)
}
