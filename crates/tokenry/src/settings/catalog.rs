//! `[catalog]`: resources, levels, groups, roles and routes.

use tokenry_service::{
    Catalog,
    catalog::{Definition, GroupDefinition, Place, ResourceDefinition, RoleDefinition, RouteDefinition},
};

use super::{
    problem::Problem,
    section::{Section, Shape},
};

const CATALOG: Shape = Shape {
    title: "[catalog]",
    keys: &["levels", "default_scopes", "withheld_scopes", "resources", "groups", "roles", "routes"],
};
const RESOURCES: Shape = Shape { title: "[[catalog.resources]]", keys: &["name", "description", "levels"] };
const GROUPS: Shape = Shape { title: "[[catalog.groups]]", keys: &["name", "description", "resources"] };
const ROLES: Shape = Shape { title: "[[catalog.roles]]", keys: &["name", "scopes"] };
const ROUTES: Shape =
    Shape { title: "[[catalog.routes]]", keys: &["path", "methods", "resource", "level", "exclude"] };

/// The catalog, which is the open one if the file has none.
pub(super) fn read(root: &mut Section<'_>, problems: &mut Vec<Problem>) -> Option<Catalog> {
    let Some(top) = root.section("catalog", CATALOG) else {
        return root.has_read("catalog").then(Catalog::open);
    };
    let (mut written, definition) = Written::read(top);
    let catalog = Catalog::define(&definition);
    let (catalog, faults) = match catalog {
        Ok(catalog) => (Some(catalog), Vec::new()),
        Err(faults) => (None, faults),
    };
    let has_words = written.has_words();
    for fault in faults {
        // Without the words of scopes, everything made of them would look wrong.
        let is_told = has_words || ["resources", "levels"].contains(&fault.place.list);
        let Some((section, key)) = written.at(fault.place).filter(|_| is_told) else { continue };
        // An entry that could not be read whole is another one than was meant.
        if fault.place.index.map_or_else(|| section.has_read(key), |_| section.is_read()) {
            section.refuse(key, &fault.what);
        }
    }
    let before = problems.len();
    problems.extend(written.into_problems());
    catalog.filter(|_| problems.len() == before)
}

/// The tables as they are in the file, for the line of each fault.
struct Written<'f> {
    top: Section<'f>,
    lists: [(&'static str, Vec<Section<'f>>); 4],
}

impl<'f> Written<'f> {
    fn read(mut top: Section<'f>) -> (Self, Definition) {
        let mut resources = top.sections("resources", RESOURCES);
        let mut groups = top.sections("groups", GROUPS);
        let mut roles = top.sections("roles", ROLES);
        let mut routes = top.sections("routes", ROUTES);
        let definition = Definition {
            levels: top.texts("levels"),
            resources: resources.iter_mut().map(resource).collect(),
            groups: groups.iter_mut().map(group).collect(),
            roles: roles.iter_mut().map(role).collect(),
            default_scopes: top.texts("default_scopes"),
            denied_scopes: top.texts("withheld_scopes"),
            routes: routes.iter_mut().map(route).collect(),
        };
        let lists = [("resources", resources), ("groups", groups), ("roles", roles), ("routes", routes)];
        (Self { top, lists }, definition)
    }

    /// Whether all that scopes are made of could be read.
    fn has_words(&self) -> bool {
        let [(_, resources), ..] = &self.lists;
        ["levels", "resources"].iter().all(|key| self.top.has_read(key))
            && resources.iter().all(Section::is_read)
    }

    /// The table that a fault is in, and the key.
    fn at(&mut self, place: Place) -> Option<(&mut Section<'f>, &'static str)> {
        let Some(index) = place.index else { return Some((&mut self.top, place.list)) };
        let (_, list) = self.lists.iter_mut().find(|(name, _)| *name == place.list)?;
        Some((list.get_mut(index)?, place.key))
    }

    fn into_problems(self) -> impl Iterator<Item = Problem> {
        let lists = self.lists.into_iter().flat_map(|(_, list)| list);
        std::iter::once(self.top).chain(lists).flat_map(Section::into_problems)
    }
}

fn resource(section: &mut Section<'_>) -> ResourceDefinition {
    ResourceDefinition {
        name: owned(section.required("name")),
        description: owned(section.text("description")),
        levels: section.texts("levels"),
    }
}

fn group(section: &mut Section<'_>) -> GroupDefinition {
    GroupDefinition {
        name: owned(section.required("name")),
        description: owned(section.text("description")),
        resources: section.texts("resources"),
    }
}

fn role(section: &mut Section<'_>) -> RoleDefinition {
    RoleDefinition { name: owned(section.required("name")), scopes: section.texts("scopes") }
}

fn route(section: &mut Section<'_>) -> RouteDefinition {
    RouteDefinition {
        path: owned(section.required("path")),
        methods: section.texts("methods"),
        resource: section.text("resource").map(str::to_owned),
        level: section.text("level").map(str::to_owned),
        exclude: section.switch("exclude"),
    }
}

fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}
