//! Builds a catalog from its definition, and collects every error of the definition.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Group, Inner,
    definition::{Definition, DefinitionError, GroupDefinition, Location},
    exclusive::ExclusiveScopes,
    named::{FULL_ACCESS, NamedScope},
    role_permissions::RolePermissions,
    route_map::RouteMap,
    vocabulary::{DEFAULT_LEVELS, Resource, Vocabulary, is_builtin},
};
use crate::{
    role::Role,
    scope::{Scope, ScopeSet, ScopeSetError},
};

const WORD: &str = "a lower-case letter, then letters, digits, `_`, `-` or `.`, at most 60 characters";

pub(super) fn check(definition: &Definition) -> Result<Inner, Vec<DefinitionError>> {
    let mut checker = Checker { definition, errors: Vec::new() };
    let mut vocabulary = checker.vocabulary();
    checker.named_scopes(&mut vocabulary);
    let vocabulary = Arc::new(vocabulary);
    let denied_scopes = Location::list("denied_scopes");
    let (default_scopes, exclusive) = checker.default_and_exclusive(&vocabulary);
    let inner = Inner {
        groups: checker.groups(&vocabulary),
        roles: checker.roles(&vocabulary),
        no_permissions: RolePermissions::none(&vocabulary),
        default_scopes,
        exclusive,
        denied: vocabulary
            .members(&checker.scopes(denied_scopes, &definition.denied_scopes, &vocabulary))
            .into(),
        routes: checker.routes(&vocabulary),
        vocabulary,
    };
    if checker.errors.is_empty() { Ok(inner) } else { Err(checker.errors) }
}

struct Checker<'d> {
    definition: &'d Definition,
    errors: Vec<DefinitionError>,
}

impl Checker<'_> {
    fn report(&mut self, location: Location, message: impl Into<String>) {
        self.errors.push(DefinitionError::new(location, message));
    }

    fn vocabulary(&mut self) -> Vocabulary {
        let definition = self.definition;
        let levels = self.levels(Location::list("levels"), &definition.levels);
        let levels = if levels.is_empty() { DEFAULT_LEVELS.map(str::to_owned).to_vec() } else { levels };
        let mut seen = BTreeSet::new();
        let mut resources = Vec::new();
        for (index, resource) in definition.resources.iter().enumerate() {
            let name_location = Location::entry("resources", index, "name");
            if !is_word(&resource.name) {
                self.report(name_location, format!("must be {WORD}"));
            } else if !seen.insert(&resource.name) {
                self.report(name_location, format!("{} is listed twice", resource.name));
            }
            let levels_location = Location::entry("resources", index, "levels");
            if is_builtin(&resource.name) && !resource.levels.is_empty() {
                self.report(levels_location, "tokens and admin always have the levels read, write and admin");
            }
            let own_levels = self.levels(levels_location, &resource.levels);
            resources.push(Resource {
                name: resource.name.clone(),
                description: resource.description.clone(),
                levels: if own_levels.is_empty() { levels.clone() } else { own_levels },
            });
        }
        Vocabulary::new(levels, resources, definition.resources.is_empty())
    }

    /// Adds the names in their order, so that none can contain itself.
    fn named_scopes(&mut self, vocabulary: &mut Vocabulary) {
        if !self.definition.named_scopes.iter().any(|named| named.name == FULL_ACCESS) {
            vocabulary.name(NamedScope::full_access());
        }
        for (index, named) in self.definition.named_scopes.iter().enumerate() {
            let location = Location::entry("named_scopes", index, "name");
            let is_known = vocabulary.find_named(&named.name).is_some();
            match named.name.parse::<Scope>() {
                Ok(Scope::Named(name)) if is_known => {
                    self.report(location, format!("{name} is listed twice"))
                }
                Ok(Scope::Named(name)) if is_word(&name) => {}
                _ => self.report(location, format!("must be {WORD}, and not introspect")),
            }
            let location = Location::entry("named_scopes", index, "scopes");
            if named.scopes.is_empty() {
                self.report(location, "must name at least one scope");
            }
            let scopes = self.scopes(location, &named.scopes, vocabulary);
            vocabulary.name(NamedScope {
                name: named.name.clone(),
                description: named.description.clone(),
                expanded: vocabulary.expanded(&scopes),
                is_predefined: false,
                scopes,
            });
        }
    }

    fn levels(&mut self, location: Location, levels: &[String]) -> Vec<String> {
        let distinct: BTreeSet<&String> = levels.iter().collect();
        if !levels.iter().all(|level| is_word(level)) {
            self.report(location, format!("each must be {WORD}"));
        } else if distinct.len() < levels.len() {
            self.report(location, "must not list a level twice");
        }
        levels.to_vec()
    }

    fn groups(&mut self, vocabulary: &Vocabulary) -> Vec<Group> {
        for (index, group) in self.definition.groups.iter().enumerate() {
            if group.name.trim().is_empty() {
                self.report(Location::entry("groups", index, "name"), "must not be empty");
            }
            for resource in &group.resources {
                if vocabulary.levels_of(resource).is_empty() {
                    let message = format!("there is no resource {resource}");
                    self.report(Location::entry("groups", index, "resources"), message);
                }
            }
        }
        self.definition.groups.iter().map(group).collect()
    }

    fn roles(&mut self, vocabulary: &Arc<Vocabulary>) -> Vec<(Role, Arc<RolePermissions>)> {
        if self.definition.roles.is_empty() {
            return RolePermissions::default_roles(vocabulary);
        }
        let mut roles: Vec<(Role, Arc<RolePermissions>)> = Vec::new();
        for (index, definition) in self.definition.roles.iter().enumerate() {
            let scopes =
                self.scopes(Location::entry("roles", index, "scopes"), &definition.scopes, vocabulary);
            let location = Location::entry("roles", index, "name");
            match definition.name.parse::<Role>() {
                Err(error) => self.report(location, error.to_string()),
                Ok(role) if roles.iter().any(|(known, _)| *known == role) => {
                    self.report(location, format!("{role} is listed twice"));
                }
                Ok(role) => roles.push((role, RolePermissions::listed(&scopes, vocabulary))),
            }
        }
        roles
    }

    fn scopes(&mut self, location: Location, entries: &[String], vocabulary: &Vocabulary) -> ScopeSet {
        let scopes = match ScopeSet::parse(entries) {
            Ok(scopes) => scopes,
            Err(error) => {
                let message = match error {
                    ScopeSetError::Entry { index } => format!("entry {} {error}", index + 1),
                    ScopeSetError::TooMany => error.to_string(),
                };
                self.report(location, message);
                return ScopeSet::default();
            }
        };
        for scope in scopes.iter().filter(|scope| !vocabulary.has_scope(scope)) {
            self.report(location, format!("there is no scope {scope}"));
        }
        scopes
    }

    /// The default scopes, which a token gets without asking, satisfy the rule of the exclusive ones.
    fn default_and_exclusive(&mut self, vocabulary: &Vocabulary) -> (ScopeSet, ExclusiveScopes) {
        let definition = self.definition;
        let exclusive = Location::list("exclusive_scopes");
        let exclusive = ExclusiveScopes(self.scopes(exclusive, &definition.exclusive_scopes, vocabulary));
        let location = Location::list("default_scopes");
        let default = self.scopes(location, &definition.default_scopes, vocabulary);
        if !default.is_empty()
            && let Err(error) = exclusive.check(&default)
        {
            self.report(location, error.to_string());
        }
        (default, exclusive)
    }

    fn routes(&mut self, vocabulary: &Vocabulary) -> RouteMap {
        let mut map = RouteMap::default();
        for (index, rule) in self.definition.routes.iter().enumerate() {
            if let Err((key, message)) = map.add(rule, vocabulary) {
                self.report(Location::entry("routes", index, key), message);
            }
        }
        map
    }
}

fn group(definition: &GroupDefinition) -> Group {
    Group {
        name: definition.name.clone(),
        description: definition.description.clone(),
        resources: definition.resources.clone(),
    }
}

fn is_word(text: &str) -> bool {
    text.len() <= 60 && crate::scope::is_word(text)
}
