//! The scope that each route of the guarded system requires.

use super::{definition::RouteDefinition, path::CanonicalPath, vocabulary::Vocabulary};
use crate::scope::Scope;

/// An ordered list of rules from path patterns to required scopes; the first matching rule decides.
///
/// A pattern is a path whose segments are texts, `*` for any one segment, or, at the end, `**` for any remaining
/// segments. A trailing slash is ignored in patterns and paths.
#[derive(Debug, Clone, Default)]
pub struct RouteMap(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    segments: Vec<Segment>,
    /// Empty for all methods; GET includes HEAD.
    methods: Vec<String>,
    requirement: Requirement,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    Any,
    Rest,
}

#[derive(Debug, Clone)]
enum Requirement {
    Scope(Scope),
    /// A scope of this resource; the method decides the level.
    LevelOfMethod(String),
    /// No token is accepted.
    Excluded,
}

/// What a route requires.
///
/// Exhaustive, so that a new decision does not compile until every caller handles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDecision {
    /// A token with this scope.
    Requires(Scope),
    /// Tokens are not accepted, for example at a webhook.
    Excluded,
    /// No rule matches: reject the request.
    Unmapped,
}

/// The key of a route definition that is wrong, and why.
type RuleError = (&'static str, String);

impl RouteMap {
    /// What a request with this method requires at this path. GET, HEAD and OPTIONS read; every other method writes.
    #[must_use]
    pub fn decide(&self, method: &str, path: &CanonicalPath) -> RouteDecision {
        match self.rule(method, path).map(|rule| &rule.requirement) {
            None => RouteDecision::Unmapped,
            Some(Requirement::Excluded) => RouteDecision::Excluded,
            Some(Requirement::Scope(scope)) => RouteDecision::Requires(scope.clone()),
            Some(Requirement::LevelOfMethod(resource)) => {
                let level = if matches!(method, "GET" | "HEAD" | "OPTIONS") { "read" } else { "write" };
                RouteDecision::Requires(scope(resource, level))
            }
        }
    }

    /// The pattern of the rule that decides, as it was configured.
    #[must_use]
    pub fn pattern(&self, method: &str, path: &CanonicalPath) -> Option<&str> {
        self.rule(method, path).map(|rule| rule.pattern.as_str())
    }

    fn rule(&self, method: &str, path: &CanonicalPath) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.matches(method, path))
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, rule: &RouteDefinition, vocabulary: &Vocabulary) -> Result<(), RuleError> {
        let segments = segments(&rule.path).map_err(|message| ("path", message))?;
        if !rule.methods.iter().all(|method| is_method(method)) {
            return Err(("methods", "must be methods in capital letters, such as GET".to_owned()));
        }
        let requirement = requirement(rule, vocabulary)?;
        self.0.push(Rule {
            pattern: rule.path.clone(),
            segments,
            methods: rule.methods.clone(),
            requirement,
        });
        Ok(())
    }
}

impl Rule {
    fn matches(&self, method: &str, path: &CanonicalPath) -> bool {
        (self.methods.is_empty() || self.has_method(method)) && self.matches_path(path)
    }

    /// SECURITY: most frameworks serve HEAD with the code of GET, so a rule for GET also applies to HEAD: a less strict
    /// rule after it must not decide.
    fn has_method(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method || (known == "GET" && method == "HEAD"))
    }

    fn matches_path(&self, path: &CanonicalPath) -> bool {
        let mut actual = path.segments();
        for segment in &self.segments {
            match (segment, actual.next()) {
                (Segment::Rest, _) => return true,
                (Segment::Any, Some(_)) => {}
                (Segment::Text(text), Some(actual)) if text == actual => {}
                _ => return false,
            }
        }
        actual.next().is_none()
    }
}

fn is_method(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
}

fn requirement(rule: &RouteDefinition, vocabulary: &Vocabulary) -> Result<Requirement, RuleError> {
    let Some(resource) = &rule.resource else {
        return match (rule.exclude, &rule.level) {
            (true, None) => Ok(Requirement::Excluded),
            (true, Some(_)) => Err(("level", "has no effect with exclude = true".to_owned())),
            (false, _) => Err(("path", "requires a resource, or exclude = true".to_owned())),
        };
    };
    if rule.exclude {
        return Err(("exclude", "contradicts the resource; keep one of them".to_owned()));
    }
    let levels: Vec<&str> = vocabulary.levels_of(resource).iter().map(String::as_str).collect();
    match rule.level.as_deref() {
        _ if levels.is_empty() => Err(("resource", format!("there is no resource {resource}"))),
        Some(level) if levels.contains(&level) => Ok(Requirement::Scope(scope(resource, level))),
        Some(level) => Err(("level", format!("{resource} has no level {level}"))),
        None if levels.contains(&"read") && levels.contains(&"write") => {
            Ok(Requirement::LevelOfMethod(resource.clone()))
        }
        None => Err(("level", format!("must be set: {resource} has no levels read and write"))),
    }
}

fn scope(resource: &str, level: &str) -> Scope {
    Scope::Access { resource: resource.to_owned(), level: level.to_owned() }
}

fn segments(pattern: &str) -> Result<Vec<Segment>, String> {
    let Some(rest) = pattern.strip_prefix('/') else { return Err("must begin with /".to_owned()) };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let mut texts = rest.split('/').peekable();
    let mut segments = Vec::new();
    while let Some(text) = texts.next() {
        segments.push(segment(text, texts.peek().is_none())?);
    }
    Ok(segments)
}

fn segment(text: &str, is_last: bool) -> Result<Segment, String> {
    match text {
        "**" if is_last => Ok(Segment::Rest),
        "*" => Ok(Segment::Any),
        "" | "." | ".." => Err("must not have empty, . or .. segments".to_owned()),
        _ if text.contains(['*', '%', '?', '#', '\\', ';']) || text.chars().any(char::is_control) => {
            Err("segments are texts, * for any one, or ** at the end for any rest".to_owned())
        }
        _ => Ok(Segment::Text(text.to_owned())),
    }
}
