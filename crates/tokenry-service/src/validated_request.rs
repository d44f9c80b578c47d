//! The fields of a requested token, and the rules for them that need no database.

use serde_json::{Map, Value};
use tokenry_domain::{
    Catalog, Description, Expiry, IpList, Metadata, Policy, PublicId, ScopeSet, Token, TokenId, TokenName,
    UnixMillis, User, grant::within_caller, ip::IpListError, optional_setters, policy::ExpiryError,
    scope::ScopeSetError, setters,
};

use crate::{
    audit::AuditContext,
    caller::RequestContext,
    field::{FieldError, FieldErrors},
};

/// A requested token; omitted fields get the default of policy and catalog.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NewToken {
    /// The name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The scopes. Default: the default scopes of the catalog, which are empty unless configured.
    pub scopes: Option<Vec<String>>,
    /// The expiry. Default: that of the policy.
    pub expiry: Option<Expiry>,
    /// Before this instant it is rejected.
    pub not_before: Option<UnixMillis>,
    /// The addresses from which it may be used. Default: those of the caller's own token.
    pub allowed_ips: Option<Vec<String>>,
    /// Metadata of clients.
    pub metadata: Map<String, Value>,
}

impl NewToken {
    /// A request for a token with this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    setters! { with_metadata(metadata: Map<String, Value>) }

    optional_setters! {
        with_description(description: String),
        with_scopes(scopes: Vec<String>),
        with_expiry(expiry: Expiry),
        with_not_before(not_before: UnixMillis),
        with_allowed_ips(allowed_ips: Vec<String>),
    }
}

/// A request whose fields satisfy every rule that needs no database.
#[derive(Clone)]
pub(crate) struct ValidatedRequest {
    name: TokenName,
    description: Option<Description>,
    pub(crate) scopes: ScopeSet,
    not_before: Option<UnixMillis>,
    expires_at: Option<UnixMillis>,
    allowed_ips: IpList,
    metadata: Metadata,
}

impl ValidatedRequest {
    pub(crate) fn check(
        policy: &Policy,
        catalog: &Catalog,
        context: &RequestContext,
        new: NewToken,
    ) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let name = errors.check("/name", "invalid_name", TokenName::parse(new.name));
        let description = new
            .description
            .map(|text| errors.check("/description", "invalid_description", Description::parse(text)))
            .map_or(Some(None), |parsed| parsed.map(Some));
        let scopes = match &new.scopes {
            Some(scopes) => checked_scopes(&mut errors, catalog, scopes),
            None => checked_combination(&mut errors, catalog, catalog.default_scopes().clone()),
        };
        let asked = new.expiry.unwrap_or(Expiry::Default);
        let expires_at = checked_expiry(&mut errors, policy.expires_at(asked, context.now, context.now));
        if let (Some(from), Some(Some(end))) = (new.not_before, expires_at)
            && from >= end
        {
            errors.push(FieldError::new("/not_before", "after_expiry", "must be before the expiry"));
        }
        let allowed_ips = new.allowed_ips.as_ref().map(|entries| checked_ips(&mut errors, entries));
        let metadata = errors.check("/metadata", "invalid_metadata", Metadata::parse(new.metadata));
        errors.finish()?;
        // There are no errors, so every part is present; the `else` branch is unreachable and would reject.
        let (Some(name), Some(description), Some(scopes), Some(expires_at), Some(metadata)) =
            (name, description, scopes, expires_at, metadata)
        else {
            return Err(Vec::new());
        };
        let (expires_at, allowed_ips) = within_caller(
            policy,
            context.caller.token(),
            expires_at,
            allowed_ips.flatten(),
            asked == Expiry::Default,
        );
        Ok(Self { name, description, scopes, not_before: new.not_before, expires_at, allowed_ips, metadata })
    }

    pub(crate) fn token(
        self,
        id: TokenId,
        owner: &User,
        public_id: PublicId,
        suffix: String,
        audit: &AuditContext,
    ) -> Token {
        Token {
            id,
            user_id: owner.id,
            public_id,
            shown_prefix: None,
            suffix,
            name: self.name,
            description: self.description,
            scopes: self.scopes,
            inactive_at: None,
            not_before: self.not_before,
            expires_at: self.expires_at,
            last_used_at: None,
            last_used_ip: None,
            allowed_ips: self.allowed_ips,
            metadata: self.metadata,
            version: 1,
            created_at: audit.at,
            secret_at: audit.at,
            created_by: audit.actor,
            updated_at: audit.at,
            revoked: None,
            expiry_noted_at: None,
        }
    }
}

pub(crate) fn checked_scopes(
    errors: &mut FieldErrors,
    catalog: &Catalog,
    entries: &[String],
) -> Option<ScopeSet> {
    let set = match ScopeSet::parse(entries) {
        Ok(set) => set,
        Err(error) => {
            let pointer = match error {
                ScopeSetError::Entry { index } => format!("/scopes/{index}"),
                _ => "/scopes".to_owned(),
            };
            errors.push(FieldError::new(pointer, "invalid_scope", error.to_string()));
            return None;
        }
    };
    let unknown =
        entries.iter().position(|entry| entry.parse().is_ok_and(|scope| !catalog.has_scope(&scope)));
    if let Some(index) = unknown {
        errors.push(FieldError::new(
            format!("/scopes/{index}"),
            "unknown_scope",
            "is not in the catalog of scopes",
        ));
        return None;
    }
    checked_combination(errors, catalog, set)
}

/// Known scopes that a token may have together.
fn checked_combination(errors: &mut FieldErrors, catalog: &Catalog, scopes: ScopeSet) -> Option<ScopeSet> {
    errors.check("/scopes", "exclusive_scopes", catalog.check_exclusive(&scopes)).map(|()| scopes)
}

pub(crate) fn checked_ips(errors: &mut FieldErrors, entries: &[String]) -> Option<IpList> {
    IpList::parse(entries)
        .map_err(|error| {
            let pointer = match error {
                IpListError::Entry { index } => format!("/allowed_ips/{index}"),
                _ => "/allowed_ips".to_owned(),
            };
            errors.push(FieldError::new(pointer, "invalid_address", error.to_string()));
        })
        .ok()
}

pub(crate) fn checked_expiry(
    errors: &mut FieldErrors,
    decided: Result<Option<UnixMillis>, ExpiryError>,
) -> Option<Option<UnixMillis>> {
    errors.check("/expires_at", "invalid_expiry", decided)
}
