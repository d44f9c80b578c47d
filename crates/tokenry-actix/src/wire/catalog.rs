//! The scope catalog as JSON.

use serde::Serialize;
use tokenry_service::{
    Caller, Scope, Tokenry,
    catalog::{Group, Resource},
};
use utoipa::ToSchema;

use super::schema;

/// The scopes of the catalog, and which of them the caller can grant to a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Scopes {
    /// Whether unlisted resources are valid as well, with the `levels`.
    open: bool,
    /// The levels of resources without own levels, each including the previous ones.
    levels: Vec<String>,
    /// The groups of resources.
    groups: Vec<ScopeGroup>,
    /// The scopes without a resource: the named scopes of the configuration, `*` and `introspect`; `full_access` where it
    /// is a default.
    general: Vec<ScopeInfo>,
    /// The scopes of a token that is created without scopes.
    default_scopes: Vec<String>,
    /// The scopes of which every token has exactly one, and no other scope. Empty: any scopes together.
    exclusive_scopes: Vec<String>,
    /// The roles of users, from the lowest to the highest.
    roles: Vec<String>,
}

/// A group of resources.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeGroup {
    /// The name of the group.
    name: String,
    /// What the group is about.
    description: String,
    /// The resources of the group.
    resources: Vec<ScopeResource>,
}

/// A resource and its scopes, from the lowest to the highest level.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeResource {
    /// The name of the resource.
    name: String,
    /// What the resource is.
    description: String,
    /// The scopes of the resource, from the lowest to the highest level.
    levels: Vec<ScopeInfo>,
}

/// A scope.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeInfo {
    /// The scope.
    #[schema(value_type = schema::Scope)]
    scope: String,
    /// The level; `null` for scopes without a resource.
    #[schema(required = true)]
    level: Option<String>,
    /// What the scope permits.
    description: String,
    /// Whether the caller can grant it to a token.
    grantable: bool,
}

impl Scopes {
    pub(crate) fn new(tokenry: &Tokenry, caller: &Caller) -> Self {
        let catalog = tokenry.catalog();
        let vocabulary = catalog.vocabulary();
        let mut groups = Vec::new();
        for Group { name, description, resources, .. } in catalog.groups() {
            let known = vocabulary.resources().iter().filter(|known| resources.contains(&known.name));
            groups.push(ScopeGroup::new(name, description, known, tokenry, caller));
        }
        let (own, others): (Vec<_>, Vec<_>) = vocabulary
            .resources()
            .iter()
            .filter(|known| !catalog.groups().iter().any(|group| group.resources.contains(&known.name)))
            .partition(|known| known.is_builtin());
        for (name, description, resources) in [
            ("Other", "What belongs to no group", others),
            ("Tokenry", "Tokens and their administration", own),
        ] {
            if !resources.is_empty() {
                groups.push(ScopeGroup::new(name, description, resources, tokenry, caller));
            }
        }
        Self {
            open: vocabulary.is_open(),
            levels: vocabulary.levels().to_vec(),
            groups,
            general: general(tokenry, caller),
            default_scopes: catalog.default_scopes().to_texts(),
            exclusive_scopes: catalog.exclusive_scopes().to_texts(),
            roles: catalog.roles().map(ToString::to_string).collect(),
        }
    }
}

/// The named scopes of the configuration, `*` and `introspect`.
fn general(tokenry: &Tokenry, caller: &Caller) -> Vec<ScopeInfo> {
    let all = "Everything its owner may do at the moment of use";
    let introspect = "Ask whether other people's tokens are valid";
    let catalog = tokenry.catalog();
    // A predefined name repeats `*`, so it is listed only where the configuration uses it.
    let is_used = |scope: &Scope| {
        catalog.default_scopes().contains(scope) || catalog.exclusive_scopes().contains(scope)
    };
    let named = catalog.vocabulary().named().iter();
    let named = named.filter(|named| !named.is_predefined() || is_used(&named.scope()));
    let named = named.map(|named| (named.scope(), named.description.as_str()));
    let others = [(Scope::All, all), (Scope::Introspect, introspect)];
    named.chain(others).map(|(scope, about)| ScopeInfo::general(scope, about, tokenry, caller)).collect()
}

impl ScopeGroup {
    fn new<'r>(
        name: &str,
        description: &str,
        resources: impl IntoIterator<Item = &'r Resource>,
        tokenry: &Tokenry,
        caller: &Caller,
    ) -> Self {
        let resources = resources.into_iter().map(|known| ScopeResource::new(known, tokenry, caller));
        Self { name: name.to_owned(), description: description.to_owned(), resources: resources.collect() }
    }
}

impl ScopeInfo {
    /// A scope without a resource.
    fn general(scope: Scope, description: &str, tokenry: &Tokenry, caller: &Caller) -> Self {
        Self {
            grantable: tokenry.can_grant(caller, &scope),
            scope: scope.to_string(),
            level: None,
            description: description.to_owned(),
        }
    }

    /// The scope for a level of a resource.
    fn of(resource: &Resource, level: &str, tokenry: &Tokenry, caller: &Caller) -> Self {
        let scope = Scope::Access { resource: resource.name.clone(), level: level.to_owned() };
        Self {
            scope: scope.to_string(),
            level: Some(level.to_owned()),
            description: resource.description.clone(),
            grantable: tokenry.can_grant(caller, &scope),
        }
    }
}

impl ScopeResource {
    fn new(resource: &Resource, tokenry: &Tokenry, caller: &Caller) -> Self {
        let levels = resource.levels.iter().map(|level| ScopeInfo::of(resource, level, tokenry, caller));
        Self {
            name: resource.name.clone(),
            description: resource.description.clone(),
            levels: levels.collect(),
        }
    }
}
