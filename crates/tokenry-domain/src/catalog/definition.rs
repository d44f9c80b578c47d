//! The plain-text definition of a catalog, as a configuration has it.

use thiserror::Error;

/// A catalog in plain texts. Empty fields have the defaults of [`Catalog::open`](super::Catalog::open).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Definition {
    /// The levels of resources without levels of their own; each level includes those before it. Default: read, write,
    /// admin.
    pub levels: Vec<String>,
    /// The resources. Without any, scopes can name any resource.
    pub resources: Vec<ResourceDefinition>,
    /// Names for sets of scopes. `full_access` stands for `*` unless it is defined here.
    pub named_scopes: Vec<NamedDefinition>,
    /// Groups of resources that are displayed together.
    pub groups: Vec<GroupDefinition>,
    /// The roles, from the lowest to the highest. Default: user, admin.
    pub roles: Vec<RoleDefinition>,
    /// The scopes of a token that is requested without scopes.
    pub default_scopes: Vec<String>,
    /// The scopes of which every token has exactly one, and no other scope. Default: none, any scopes together.
    pub exclusive_scopes: Vec<String>,
    /// The scopes that are denied to every token, regardless of its owner.
    pub denied_scopes: Vec<String>,
    /// The scope that each route of the guarded system requires; the first matching rule decides.
    pub routes: Vec<RouteDefinition>,
}

impl Definition {
    crate::setters! {
        with_levels(levels: Vec<String>),
        with_resources(resources: Vec<ResourceDefinition>),
        with_named_scopes(named_scopes: Vec<NamedDefinition>),
        with_groups(groups: Vec<GroupDefinition>),
        with_roles(roles: Vec<RoleDefinition>),
        with_default_scopes(default_scopes: Vec<String>),
        with_exclusive_scopes(exclusive_scopes: Vec<String>),
        with_denied_scopes(denied_scopes: Vec<String>),
        with_routes(routes: Vec<RouteDefinition>),
    }
}

/// One resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceDefinition {
    /// The name in scopes. `tokens` and `admin` are built in; only their description can be set.
    pub name: String,
    /// The description that is displayed.
    pub description: String,
    /// The levels; if empty, those of the catalog.
    pub levels: Vec<String>,
}

impl ResourceDefinition {
    /// A resource without a description and with the levels of the catalog.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl ResourceDefinition {
    crate::setters! {
        with_description(description: String),
        with_levels(levels: Vec<String>),
    }
}

/// One group of resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupDefinition {
    /// The display name.
    pub name: String,
    /// The description.
    pub description: String,
    /// The names of the resources.
    pub resources: Vec<String>,
}

impl GroupDefinition {
    /// A group without resources.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl GroupDefinition {
    crate::setters! {
        with_description(description: String),
        with_resources(resources: Vec<String>),
    }
}

/// One name for a set of scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedDefinition {
    /// The name, as tokens have it in their scopes.
    pub name: String,
    /// The description that is displayed.
    pub description: String,
    /// What it stands for; names that are defined before it may be among them.
    pub scopes: Vec<String>,
}

impl NamedDefinition {
    /// A name without a description.
    #[must_use]
    pub fn new(name: impl Into<String>, scopes: Vec<String>) -> Self {
        Self { name: name.into(), description: String::new(), scopes }
    }
}

impl NamedDefinition {
    crate::setters! {
        with_description(description: String),
    }
}

/// One role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleDefinition {
    /// The name.
    pub name: String,
    /// The scopes that the role permits; `*` permits everything.
    pub scopes: Vec<String>,
}

impl RoleDefinition {
    /// A role that permits these scopes.
    #[must_use]
    pub fn new(name: impl Into<String>, scopes: Vec<String>) -> Self {
        Self { name: name.into(), scopes }
    }
}

/// One rule of the route map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteDefinition {
    /// The path pattern; see [`RouteMap`](super::RouteMap).
    pub path: String,
    /// The methods that the rule applies to; if empty, all. `GET` includes `HEAD`.
    pub methods: Vec<String>,
    /// The resource that the route accesses.
    pub resource: Option<String>,
    /// The required level. Default: `read` for GET, HEAD and OPTIONS, `write` for other methods.
    pub level: Option<String>,
    /// Whether tokens are rejected at this route.
    pub exclude: bool,
}

impl RouteDefinition {
    /// A rule for all methods; it is invalid until it has a resource or is excluded.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

impl RouteDefinition {
    crate::setters! {
        with_methods(methods: Vec<String>),
        with_resource(resource: Option<String>),
        with_level(level: Option<String>),
        with_exclude(exclude: bool),
    }
}

/// One error in a definition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("{message}")]
pub struct DefinitionError {
    /// Where the error is.
    pub location: Location,
    /// What is wrong.
    pub message: String,
}

impl DefinitionError {
    pub(super) fn new(location: Location, message: impl Into<String>) -> Self {
        Self { location, message: message.into() }
    }
}

/// A location in a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The name of the list, such as `roles` or `levels`.
    pub list: &'static str,
    /// The entry of a list of tables, from 0; `None` for a list of texts.
    pub index: Option<usize>,
    /// The key of the entry; empty for a list of texts.
    pub key: &'static str,
}

impl Location {
    pub(super) fn list(list: &'static str) -> Self {
        Self { list, index: None, key: "" }
    }

    pub(super) fn entry(list: &'static str, index: usize, key: &'static str) -> Self {
        Self { list, index: Some(index), key }
    }
}
