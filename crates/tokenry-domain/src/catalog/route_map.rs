//! Which right each route of the guarded system needs.

use super::{definition::RouteDefinition, path::CanonicalPath, vocabulary::Vocabulary};
use crate::scope::Scope;

/// Rules from path patterns to rights, in order; the first that fits decides.
///
/// A pattern is a path whose segments are texts, `*` for any one segment, or, at its end, `**` for any rest. A slash at
/// the end makes no difference, neither of the pattern nor of the path.
#[derive(Debug, Clone, Default)]
pub struct RouteMap(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    segments: Vec<Segment>,
    /// None is any; GET is HEAD too.
    methods: Vec<String>,
    needs: Needs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    One,
    Rest,
}

#[derive(Debug, Clone)]
enum Needs {
    Scope(Scope),
    /// This resource, at the level that the method stands for.
    ByMethod(String),
    /// No token is accepted at all.
    Excluded,
}

/// What a route needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDecision {
    /// A token with this scope.
    Needs(Scope),
    /// Tokens are not accepted here at all, such as at webhooks.
    Excluded,
    /// No rule fits: refuse.
    Unmapped,
}

impl RouteMap {
    /// What a request with this method needs at this path. GET, HEAD and OPTIONS read; every other method writes.
    #[must_use]
    pub fn decide(&self, method: &str, path: &CanonicalPath) -> RouteDecision {
        match self.rule(method, path).map(|rule| &rule.needs) {
            None => RouteDecision::Unmapped,
            Some(Needs::Excluded) => RouteDecision::Excluded,
            Some(Needs::Scope(scope)) => RouteDecision::Needs(scope.clone()),
            Some(Needs::ByMethod(resource)) => {
                let level = if matches!(method, "GET" | "HEAD" | "OPTIONS") { "read" } else { "write" };
                RouteDecision::Needs(Scope::Access { resource: resource.clone(), level: level.to_owned() })
            }
        }
    }

    /// The pattern, as it was written, of the rule that decides.
    #[must_use]
    pub fn pattern(&self, method: &str, path: &CanonicalPath) -> Option<&str> {
        self.rule(method, path).map(|rule| rule.pattern.as_str())
    }

    fn rule(&self, method: &str, path: &CanonicalPath) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.fits(method, path))
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// The key that is wrong, and why.
    pub(super) fn add(
        &mut self,
        rule: &RouteDefinition,
        vocabulary: &Vocabulary,
    ) -> Result<(), (&'static str, String)> {
        let segments = segments(&rule.path).map_err(|what| ("path", what))?;
        let is_method = |method: &String| {
            (1..=20).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        };
        if !rule.methods.iter().all(is_method) {
            return Err(("methods", "must be methods in capital letters, such as GET".to_owned()));
        }
        let needs = needs(rule, vocabulary)?;
        self.0.push(Rule { pattern: rule.path.clone(), segments, methods: rule.methods.clone(), needs });
        Ok(())
    }
}

impl Rule {
    fn fits(&self, method: &str, path: &CanonicalPath) -> bool {
        if !self.methods.is_empty() && !self.names(method) {
            return false;
        }
        let mut path = path.segments();
        for segment in &self.segments {
            match (segment, path.next()) {
                (Segment::Rest, _) => return true,
                (Segment::One, Some(_)) => {}
                (Segment::Text(text), Some(part)) if text == part => {}
                _ => return false,
            }
        }
        path.next().is_none()
    }

    /// HEAD runs the code of GET in most frameworks: it must not slip past a rule for GET to a laxer one below.
    fn names(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method || (known == "GET" && method == "HEAD"))
    }
}

fn needs(rule: &RouteDefinition, vocabulary: &Vocabulary) -> Result<Needs, (&'static str, String)> {
    let Some(resource) = &rule.resource else {
        return match (rule.exclude, &rule.level) {
            (true, None) => Ok(Needs::Excluded),
            (true, Some(_)) => Err(("level", "is without meaning where exclude = true".to_owned())),
            (false, _) => Err(("path", "needs a resource, or exclude = true".to_owned())),
        };
    };
    if rule.exclude {
        return Err(("exclude", "contradicts the resource; keep one of them".to_owned()));
    }
    let levels = vocabulary.levels_of(resource);
    let has = |level: &str| levels.iter().any(|known| known == level);
    match &rule.level {
        _ if levels.is_empty() => Err(("resource", format!("there is no resource {resource}"))),
        Some(level) if !has(level) => Err(("level", format!("{resource} has no level {level}"))),
        Some(level) => Ok(Needs::Scope(Scope::Access { resource: resource.clone(), level: level.clone() })),
        None if has("read") && has("write") => Ok(Needs::ByMethod(resource.clone())),
        None => Err(("level", format!("must be given: {resource} has no levels read and write"))),
    }
}

fn segments(path: &str) -> Result<Vec<Segment>, String> {
    let Some(rest) = path.strip_prefix('/') else { return Err("must begin with /".to_owned()) };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let parts: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
    let segment = |(index, part): (usize, &&str)| match *part {
        "**" if index + 1 == parts.len() => Ok(Segment::Rest),
        "*" => Ok(Segment::One),
        "" | "." | ".." => Err("must not have empty, . or .. segments".to_owned()),
        text if text.contains(['*', '%', '?', '#', '\\', ';']) || text.chars().any(char::is_control) => {
            Err("segments are texts, * for any one, or ** at the end for any rest".to_owned())
        }
        text => Ok(Segment::Text(text.to_owned())),
    };
    parts.iter().enumerate().map(segment).collect()
}
