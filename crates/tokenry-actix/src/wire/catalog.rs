//! The vocabulary of scopes as JSON.

use serde::Serialize;
use tokenry_service::{Caller, Scope, Tokenry, catalog::Resource};
use utoipa::ToSchema;

/// Which scopes there are, and which of them the caller can give to a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Scopes {
    /// Whether resources that are not listed can be named as well, with the `levels`.
    open: bool,
    /// The levels of a resource that has none of its own, each including those before it.
    levels: Vec<String>,
    groups: Vec<ScopeGroup>,
    /// The scopes that belong to no resource.
    general: Vec<ScopeInfo>,
    /// What a token gets that is asked for without scopes.
    default_scopes: Vec<String>,
    /// The roles that users can have, from the least to the most.
    roles: Vec<String>,
}

/// Resources that are shown together.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeGroup {
    name: String,
    description: String,
    resources: Vec<ScopeResource>,
}

/// A resource and the scopes on it, from the least to the most.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeResource {
    name: String,
    description: String,
    levels: Vec<ScopeInfo>,
}

/// One scope.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeInfo {
    scope: String,
    /// Its level; `null` for the scopes that belong to no resource.
    level: Option<String>,
    description: String,
    /// Whether the caller can give it to a token.
    grantable: bool,
}

impl Scopes {
    pub(crate) fn new(tokenry: &Tokenry, caller: &Caller) -> Self {
        let catalog = tokenry.catalog();
        let vocabulary = catalog.vocabulary();
        let shown = |resource: &Resource| ScopeResource::new(resource, tokenry, caller);
        let group = |group: &tokenry_service::catalog::Group| {
            let resources =
                vocabulary.resources().iter().filter(|known| group.resources.contains(&known.name));
            ScopeGroup {
                name: group.name.clone(),
                description: group.description.clone(),
                resources: resources.map(shown).collect(),
            }
        };
        let is_grouped = |resource: &&Resource| {
            catalog.groups().iter().any(|group| group.resources.contains(&resource.name))
        };
        let mut groups: Vec<_> = catalog.groups().iter().map(group).collect();
        let (own, others): (Vec<_>, Vec<_>) = vocabulary
            .resources()
            .iter()
            .filter(|known| !is_grouped(known))
            .partition(|known| known.is_own());
        for (name, description, resources) in [
            ("Other", "What belongs to no group", others),
            ("Tokenry", "Tokens and their administration", own),
        ] {
            if !resources.is_empty() {
                groups.push(ScopeGroup {
                    name: name.to_owned(),
                    description: description.to_owned(),
                    resources: resources.into_iter().map(shown).collect(),
                });
            }
        }
        let general = |scope: Scope, description: &str| ScopeInfo {
            grantable: tokenry.can_grant(caller, &scope),
            scope: scope.to_string(),
            level: None,
            description: description.to_owned(),
        };
        Self {
            open: vocabulary.is_open(),
            levels: vocabulary.levels().to_vec(),
            groups,
            general: vec![
                general(Scope::All, "Everything its owner may do at the moment of use"),
                general(Scope::Introspect, "Ask whether other people's tokens are valid"),
            ],
            default_scopes: catalog.default_scopes().to_texts(),
            roles: catalog.roles().map(ToString::to_string).collect(),
        }
    }
}

impl ScopeResource {
    fn new(resource: &Resource, tokenry: &Tokenry, caller: &Caller) -> Self {
        let info = |level: &String| {
            let scope = Scope::Access { resource: resource.name.clone(), level: level.clone() };
            ScopeInfo {
                scope: scope.to_string(),
                level: Some(level.clone()),
                description: resource.description.clone(),
                grantable: tokenry.can_grant(caller, &scope),
            }
        };
        Self {
            name: resource.name.clone(),
            description: resource.description.clone(),
            levels: resource.levels.iter().map(info).collect(),
        }
    }
}
