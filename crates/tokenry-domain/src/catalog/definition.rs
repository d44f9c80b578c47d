//! A catalog as it is written in a configuration, and what may be wrong with it.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Group, Inner,
    role_permissions::RolePermissions,
    route_map::RouteMap,
    vocabulary::{ADMIN, Resource, TOKENS, USUAL_LEVELS, Vocabulary},
};
use crate::{
    role::Role,
    scope::{ScopeSet, ScopeSetError},
};

/// A catalog in plain texts. What is left empty is as in [`Catalog::open`](super::Catalog::open).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// The levels of resources without their own, each including those before it. Default: read, write, admin.
    pub levels: Vec<String>,
    /// The resources; without any, every resource can be named.
    pub resources: Vec<ResourceDefinition>,
    /// Resources that are shown together.
    pub groups: Vec<GroupDefinition>,
    /// The roles from the least to the most. Default: user, admin.
    pub roles: Vec<RoleDefinition>,
    /// The scopes of a token that was asked for without any.
    pub default_scopes: Vec<String>,
    /// What no token may do, whoever owns it.
    pub denied_scopes: Vec<String>,
    /// What each route of the guarded system needs; the first rule that fits decides.
    pub routes: Vec<RouteDefinition>,
}

/// One resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceDefinition {
    /// Its name in scopes. `tokens` and `admin` are Tokenry's own and can only be described.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Its own levels, if they are not those of the catalog.
    pub levels: Vec<String>,
}

/// One group of resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupDefinition {
    /// What people call it.
    pub name: String,
    /// What its resources have in common.
    pub description: String,
    /// Their names.
    pub resources: Vec<String>,
}

/// One role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleDefinition {
    /// Its name.
    pub name: String,
    /// The scopes its users may hold; `*` is everything.
    pub scopes: Vec<String>,
}

/// One rule of the route map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteDefinition {
    /// The pattern; see [`RouteMap`].
    pub path: String,
    /// The methods it is about; none is all, and GET is HEAD too.
    pub methods: Vec<String>,
    /// What is accessed there.
    pub resource: Option<String>,
    /// How far; by default GET, HEAD and OPTIONS read and other methods write.
    pub level: Option<String>,
    /// Whether tokens are not accepted there at all.
    pub exclude: bool,
}

/// One fault of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong, in words.
    pub what: String,
}

/// A place in a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The list, such as `roles`; or the key itself of those that are no lists of tables.
    pub list: &'static str,
    /// The entry of the list, from 0.
    pub index: Option<usize>,
    /// The key of the entry.
    pub key: &'static str,
}

pub(super) fn check(definition: &Definition) -> Result<Inner, Vec<Fault>> {
    let mut checker = Checker { definition, faults: Vec::new() };
    let vocabulary = Arc::new(checker.vocabulary());
    let inner = Inner {
        groups: checker.groups(&vocabulary),
        roles: checker.roles(&vocabulary),
        nobody: RolePermissions::nothing(&vocabulary),
        default_scopes: checker.scopes(Place::of("default_scopes"), &definition.default_scopes, &vocabulary),
        denied: checker.scopes(Place::of("denied_scopes"), &definition.denied_scopes, &vocabulary).into(),
        routes: checker.routes(&vocabulary),
        vocabulary,
    };
    if checker.faults.is_empty() { Ok(inner) } else { Err(checker.faults) }
}

struct Checker<'d> {
    definition: &'d Definition,
    faults: Vec<Fault>,
}

impl Place {
    fn of(list: &'static str) -> Self {
        Self { list, index: None, key: "" }
    }

    fn entry(list: &'static str, index: usize, key: &'static str) -> Self {
        Self { list, index: Some(index), key }
    }
}

impl Checker<'_> {
    fn refuse(&mut self, place: Place, what: impl Into<String>) {
        self.faults.push(Fault { place, what: what.into() });
    }

    fn vocabulary(&mut self) -> Vocabulary {
        let definition = self.definition;
        let levels = self.levels(Place::of("levels"), &definition.levels);
        let levels = if levels.is_empty() { USUAL_LEVELS.map(str::to_owned).to_vec() } else { levels };
        let mut seen = BTreeSet::new();
        let mut resources = Vec::new();
        for (index, resource) in definition.resources.iter().enumerate() {
            let name_place = Place::entry("resources", index, "name");
            if is_word(&resource.name) && !seen.insert(&resource.name) {
                self.refuse(name_place, format!("{} is there twice", resource.name));
            } else if !is_word(&resource.name) {
                self.refuse(name_place, format!("must be {WORD}"));
            }
            let place = Place::entry("resources", index, "levels");
            if [TOKENS, ADMIN].contains(&resource.name.as_str()) && !resource.levels.is_empty() {
                self.refuse(place, "tokens and admin always have the levels read, write and admin");
            }
            let own = self.levels(place, &resource.levels);
            resources.push(Resource {
                name: resource.name.clone(),
                description: resource.description.clone(),
                levels: if own.is_empty() { levels.clone() } else { own },
            });
        }
        Vocabulary::new(levels, resources, definition.resources.is_empty())
    }

    fn levels(&mut self, place: Place, levels: &[String]) -> Vec<String> {
        let distinct: BTreeSet<&String> = levels.iter().collect();
        if !levels.iter().all(|level| is_word(level)) {
            self.refuse(place, format!("each must be {WORD}"));
        } else if distinct.len() < levels.len() {
            self.refuse(place, "must not hold a level twice");
        }
        levels.to_vec()
    }

    fn groups(&mut self, vocabulary: &Vocabulary) -> Vec<Group> {
        for (index, group) in self.definition.groups.iter().enumerate() {
            if group.name.trim().is_empty() {
                self.refuse(Place::entry("groups", index, "name"), "must not be empty");
            }
            for resource in &group.resources {
                if vocabulary.levels_of(resource).is_empty() {
                    let what = format!("there is no resource {resource}");
                    self.refuse(Place::entry("groups", index, "resources"), what);
                }
            }
        }
        let group = |group: &GroupDefinition| Group {
            name: group.name.clone(),
            description: group.description.clone(),
            resources: group.resources.clone(),
        };
        self.definition.groups.iter().map(group).collect()
    }

    fn roles(&mut self, vocabulary: &Arc<Vocabulary>) -> Vec<(Role, Arc<RolePermissions>)> {
        if self.definition.roles.is_empty() {
            return RolePermissions::usual(vocabulary);
        }
        let mut roles: Vec<(Role, Arc<RolePermissions>)> = Vec::new();
        for (index, definition) in self.definition.roles.iter().enumerate() {
            let scopes = self.scopes(Place::entry("roles", index, "scopes"), &definition.scopes, vocabulary);
            let place = Place::entry("roles", index, "name");
            match definition.name.parse::<Role>() {
                Err(error) => self.refuse(place, error.to_string()),
                Ok(role) if roles.iter().any(|(known, _)| *known == role) => {
                    self.refuse(place, format!("{role} is there twice"));
                }
                Ok(role) => roles.push((role, RolePermissions::listed(scopes, vocabulary))),
            }
        }
        roles
    }

    fn scopes(&mut self, place: Place, entries: &[String], vocabulary: &Vocabulary) -> ScopeSet {
        let set = match ScopeSet::parse(entries) {
            Ok(set) => set,
            Err(ScopeSetError::Entry { index }) => {
                self.refuse(place, format!("entry {} {}", index + 1, ScopeSetError::Entry { index }));
                return ScopeSet::default();
            }
            Err(error) => {
                self.refuse(place, error.to_string());
                return ScopeSet::default();
            }
        };
        for scope in set.iter().filter(|scope| !vocabulary.knows(scope)) {
            self.refuse(place, format!("there is no scope {scope}"));
        }
        set
    }

    fn routes(&mut self, vocabulary: &Vocabulary) -> RouteMap {
        let mut map = RouteMap::default();
        for (index, rule) in self.definition.routes.iter().enumerate() {
            if let Err((key, what)) = map.add(rule, vocabulary) {
                self.refuse(Place::entry("routes", index, key), what);
            }
        }
        map
    }
}

const WORD: &str = "a lower-case letter, then letters, digits, `_`, `-` or `.`, at most 60 characters";

fn is_word(text: &str) -> bool {
    text.len() <= 60 && crate::scope::is_word(text)
}
