//! `[catalog]`: resources, levels, groups, roles and routes.

use tokenry_service::{
    Catalog,
    catalog::{
        Definition, GroupDefinition, Location, NamedDefinition, ResourceDefinition, RoleDefinition,
        RouteDefinition,
    },
};

use super::{
    problem::Problem,
    section::{Section, Shape},
};

const DENIED_SCOPES: &str = "denied_scopes";
/// The former name of [`DENIED_SCOPES`].
const WITHHELD_SCOPES: &str = "withheld_scopes";

const CATALOG: Shape = Shape {
    title: "[catalog]",
    keys: &[
        "levels",
        "default_scopes",
        "exclusive_scopes",
        DENIED_SCOPES,
        "resources",
        "named_scopes",
        "groups",
        "roles",
        "routes",
    ],
    former_keys: &[WITHHELD_SCOPES],
};
const RESOURCES: Shape = Shape::new("[[catalog.resources]]", &["name", "description", "levels"]);
const NAMED: Shape = Shape::new("[[catalog.named_scopes]]", &["name", "description", "scopes"]);
const GROUPS: Shape = Shape::new("[[catalog.groups]]", &["name", "description", "resources"]);
const ROLES: Shape = Shape::new("[[catalog.roles]]", &["name", "scopes"]);
const ROUTES: Shape = Shape::new("[[catalog.routes]]", &["path", "methods", "resource", "level", "exclude"]);

/// Reads the catalog; without `[catalog]` it is the open catalog.
pub(super) fn read(
    root: &mut Section<'_>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Catalog> {
    let Some(top) = root.section("catalog", CATALOG) else {
        return root.has_read("catalog").then(Catalog::open);
    };
    let (mut sections, definition) = CatalogSections::read(top);
    let catalog = Catalog::define(&definition);
    let (catalog, faults) = match catalog {
        Ok(catalog) => (Some(catalog), Vec::new()),
        Err(faults) => (None, faults),
    };
    let has_words = sections.has_words();
    for fault in faults {
        // With unreadable levels or resources, every scope would look unknown.
        let is_reliable = has_words || ["resources", "named_scopes", "levels"].contains(&fault.location.list);
        let Some((section, key)) = sections.at(fault.location).filter(|_| is_reliable) else { continue };
        // A partly unreadable entry differs from the intended one, so its faults are not reported.
        if fault.location.index.map_or_else(|| section.has_read(key), |_| section.is_read()) {
            section.reject(key, &fault.message);
        }
    }
    if sections.denied_key == WITHHELD_SCOPES {
        warnings.push(sections.top.warning(WITHHELD_SCOPES, "is now called denied_scopes; rename it"));
    }
    let before = problems.len();
    problems.extend(sections.into_problems());
    catalog.filter(|_| problems.len() == before)
}

/// The tables of the file, which give each fault its line.
struct CatalogSections<'f> {
    top: Section<'f>,
    lists: [(&'static str, Vec<Section<'f>>); 5],
    /// The name under which the file has the denied scopes.
    denied_key: &'static str,
}

impl<'f> CatalogSections<'f> {
    fn read(mut top: Section<'f>) -> (Self, Definition) {
        let mut resources = top.sections("resources", RESOURCES);
        let mut named = top.sections("named_scopes", NAMED);
        let mut groups = top.sections("groups", GROUPS);
        let mut roles = top.sections("roles", ROLES);
        let mut routes = top.sections("routes", ROUTES);
        let denied_key = denied_key(&mut top);
        let definition = Definition::default()
            .with_levels(top.texts("levels"))
            .with_resources(resources.iter_mut().map(resource).collect())
            .with_named_scopes(named.iter_mut().map(named_scope).collect())
            .with_groups(groups.iter_mut().map(group).collect())
            .with_roles(roles.iter_mut().map(role).collect())
            .with_default_scopes(top.texts("default_scopes"))
            .with_exclusive_scopes(top.texts("exclusive_scopes"))
            .with_denied_scopes(top.texts(denied_key))
            .with_routes(routes.iter_mut().map(route).collect());
        let lists = [
            ("resources", resources),
            ("named_scopes", named),
            ("groups", groups),
            ("roles", roles),
            ("routes", routes),
        ];
        (Self { top, lists, denied_key }, definition)
    }

    /// Whether levels, resources and names, of which scopes consist, could be read.
    fn has_words(&self) -> bool {
        let [(_, resources), (_, named), ..] = &self.lists;
        ["levels", "resources", "named_scopes"].iter().all(|key| self.top.has_read(key))
            && resources.iter().chain(named).all(Section::is_read)
    }

    /// The table and the key of a fault.
    fn at(&mut self, location: Location) -> Option<(&mut Section<'f>, &'static str)> {
        let Some(index) = location.index else {
            let key = if location.list == DENIED_SCOPES { self.denied_key } else { location.list };
            return Some((&mut self.top, key));
        };
        let (_, list) = self.lists.iter_mut().find(|(name, _)| *name == location.list)?;
        Some((list.get_mut(index)?, location.key))
    }

    fn into_problems(self) -> impl Iterator<Item = Problem> {
        let lists = self.lists.into_iter().flat_map(|(_, list)| list);
        std::iter::once(self.top).chain(lists).flat_map(Section::into_problems)
    }
}

/// The name under which the file has the denied scopes; both names at once are a fault.
fn denied_key(top: &mut Section<'_>) -> &'static str {
    match (top.has(DENIED_SCOPES), top.has(WITHHELD_SCOPES)) {
        (true, true) => {
            let what = "is the former name of denied_scopes, which is set too; keep denied_scopes";
            top.reject(WITHHELD_SCOPES, what);
            DENIED_SCOPES
        }
        (false, true) => WITHHELD_SCOPES,
        (_, false) => DENIED_SCOPES,
    }
}

fn resource(section: &mut Section<'_>) -> ResourceDefinition {
    ResourceDefinition::new(owned(section.required("name")))
        .with_description(owned(section.text("description")))
        .with_levels(section.texts("levels"))
}

fn named_scope(section: &mut Section<'_>) -> NamedDefinition {
    NamedDefinition::new(owned(section.required("name")), section.texts("scopes"))
        .with_description(owned(section.text("description")))
}

fn group(section: &mut Section<'_>) -> GroupDefinition {
    GroupDefinition::new(owned(section.required("name")))
        .with_description(owned(section.text("description")))
        .with_resources(section.texts("resources"))
}

fn role(section: &mut Section<'_>) -> RoleDefinition {
    RoleDefinition::new(owned(section.required("name")), section.texts("scopes"))
}

fn route(section: &mut Section<'_>) -> RouteDefinition {
    RouteDefinition::new(owned(section.required("path")))
        .with_methods(section.texts("methods"))
        .with_resource(section.text("resource").map(str::to_owned))
        .with_level(section.text("level").map(str::to_owned))
        .with_exclude(section.switch("exclude"))
}

fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}
