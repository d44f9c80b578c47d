//! Checks one row by itself.

use tokenry_crypto::{Shape, SourceHash};
use tokenry_domain::{
    Description, IpList, Metadata, Scope, ScopeSet, Subject, Token, TokenId, TokenName, UnixMillis, UserId,
};

use super::{ImportSettings, PlannedRow};
use crate::{caller::RequestContext, tokenry::Tokenry};

/// The longest id of a row.
const MAX_ID: usize = 128;
/// The most characters of a token that may be shown beside its shape's prefix.
const MAX_SHOWN: usize = 15;
/// How far the clock of the other system may be ahead, in milliseconds.
const SKEW: i64 = 300_000;

/// A row of another system. Not `Debug`: it has a hash.
#[derive(Clone, Default)]
pub struct ImportRow {
    /// The line in the file, from 1.
    pub line: u64,
    /// The row's id in the other system.
    pub id: String,
    /// The subject of the owner.
    pub owner: String,
    /// The name of the token.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The scopes of the other system. None grants nothing.
    pub scopes: Vec<String>,
    /// When it expires; `None` is never, as far as the policy allows.
    pub expires_at: Option<UnixMillis>,
    /// From when it is valid; `None` is from the start.
    pub not_before: Option<UnixMillis>,
    /// The addresses and networks that may use it. None allows any.
    pub allowed_ips: Vec<String>,
    /// When it was created. Default: now.
    pub created_at: Option<UnixMillis>,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
    /// Whether it is paused.
    pub inactive: bool,
    /// Whether it was revoked or has expired in the other system: it is left out.
    pub ended: bool,
    /// The stored hash.
    pub hash: String,
    /// Its scheme ([`SourceHash::scheme`]).
    pub scheme: Option<String>,
    /// The salt of a hash that does not contain it.
    pub salt: Option<String>,
    /// The iterations of a hash that does not contain them.
    pub iterations: Option<u32>,
    /// The shape of the token. Default: that of the import.
    pub shape: Option<String>,
    /// The key by which the other system finds the token. Default: the id, if the shape has it before a separator.
    pub lookup: Option<String>,
    /// The first characters, to be shown. Default: those that the shape knows.
    pub prefix: Option<String>,
    /// The last characters, to be shown.
    pub suffix: Option<String>,
}

/// Checks rows, and parses each shape once.
pub(super) struct Checker<'c> {
    tokenry: &'c Tokenry,
    context: &'c RequestContext,
    settings: &'c ImportSettings,
    shapes: Vec<(String, Shape)>,
    /// The scopes of the last row, since many rows have the same.
    scopes: Option<(Vec<String>, ScopeSet)>,
}

impl<'c> Checker<'c> {
    pub(super) fn new(
        tokenry: &'c Tokenry,
        context: &'c RequestContext,
        settings: &'c ImportSettings,
    ) -> Self {
        Self { tokenry, context, settings, shapes: Vec::new(), scopes: None }
    }

    /// The shapes of all rows that were checked.
    pub(super) fn shapes(self) -> Vec<Shape> {
        self.shapes.into_iter().map(|(_, shape)| shape).collect()
    }

    /// Checks a row; the error says which field is wrong and why.
    pub(super) fn check(&mut self, row: ImportRow, id: TokenId) -> Result<PlannedRow, String> {
        if !(1..=MAX_ID).contains(&row.id.len()) || row.id.chars().any(char::is_control) {
            return Err(format!("id: must be 1 to {MAX_ID} characters"));
        }
        let owner = Subject::parse(row.owner).map_err(|error| format!("owner: {error}"))?;
        let name = TokenName::parse(row.name).map_err(|error| format!("name: {error}"))?;
        let description = row.description.filter(|text| !text.is_empty()).map(Description::parse).transpose();
        let description = description.map_err(|error| format!("description: {error}"))?;
        let scopes = self.scopes(row.scopes)?;
        let allowed_ips = IpList::parse(&row.allowed_ips).map_err(|error| format!("allowed_ips: {error}"))?;
        let now = self.context.now;
        let is_future = |at: UnixMillis| at.get() > now.get() + SKEW;
        if row.created_at.is_some_and(is_future) || row.last_used_at.is_some_and(is_future) {
            return Err("created_at and last_used_at must not be in the future".to_owned());
        }
        let created_at = row.created_at.unwrap_or(now).min(now);
        let index = self.shape(row.shape)?;
        let Some((_, shape)) = self.shapes.get(index) else { return Err("shape: is missing".to_owned()) };
        if row.hash.is_empty() {
            return Err("hash: is missing; an export has none".to_owned());
        }
        let source = SourceHash {
            scheme: row.scheme.as_deref(),
            text: &row.hash,
            salt: row.salt.as_deref(),
            iterations: row.iterations,
        };
        let hash = source.to_stored(shape.max_hashed()).map_err(|error| format!("hash: {error}"))?;
        let lookup = row.lookup.as_deref().filter(|key| !key.is_empty()).unwrap_or(&row.id);
        let public_id = if shape.is_by_digest() {
            shape.public_id_of(&hash).map_err(|error| format!("hash: {error}"))?
        } else {
            shape.public_id(lookup).map_err(|error| format!("lookup: {error}"))?
        };
        let (prefix, suffix) = shape.shown(lookup);
        let prefix = shown(row.prefix, prefix, shape.prefix().len(), "prefix")?;
        let suffix = shown(row.suffix, suffix, 0, "suffix")?;
        let token = Token {
            id,
            // Set when the owner is known.
            user_id: UserId::from_uuid(id.uuid()),
            public_id,
            shown_prefix: Some(prefix),
            suffix,
            name,
            description,
            scopes,
            inactive_at: Some(now),
            not_before: row.not_before,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at.map(|at| at.min(now)),
            last_used_ip: None,
            allowed_ips,
            metadata: Metadata::default(),
            version: 1,
            created_at,
            secret_at: created_at,
            created_by: self.context.caller.actor(),
            updated_at: now,
            revoked: None,
            expiry_noted_at: None,
        };
        let (source_id, is_active, line) = (row.id, !row.inactive, row.line);
        let given_creation = row.created_at;
        Ok(PlannedRow { source_id, owner, token, given_creation, secret: hash.into(), is_active, line })
    }

    fn scopes(&mut self, given: Vec<String>) -> Result<ScopeSet, String> {
        if let Some((known, set)) = &self.scopes
            && *known == given
        {
            return Ok(set.clone());
        }
        let catalog = &self.tokenry.0.rules.catalog;
        let mut mapped = Vec::new();
        for scope in &given {
            match self.settings.scope_map.get(scope) {
                Some(new) => mapped.extend(new.iter().cloned()),
                None => mapped.push(scope.clone()),
            }
        }
        for scope in &mapped {
            let quoted = super::quoted(scope);
            let parsed = scope.parse::<Scope>().map_err(|error| format!("scopes: {quoted} {error}"))?;
            if !catalog.has_scope(&parsed) {
                return Err(format!("scopes: {quoted} is not in the catalog of scopes"));
            }
        }
        let set = ScopeSet::parse(&mapped).map_err(|error| format!("scopes: {error}"))?;
        catalog.check_exclusive(&set).map_err(|error| format!("scopes: {error}"))?;
        self.scopes = Some((given, set.clone()));
        Ok(set)
    }

    /// The index of the row's shape.
    fn shape(&mut self, given: Option<String>) -> Result<usize, String> {
        let text = match (given.filter(|text| !text.is_empty()), &self.settings.shape) {
            (Some(text), _) => text,
            (None, Some(shape)) => shape.as_str().to_owned(),
            (None, None) => return Err("shape: neither the row nor the command names one".to_owned()),
        };
        if let Some(index) = self.shapes.iter().position(|(known, _)| *known == text) {
            return Ok(index);
        }
        let shape: Shape = text.parse().map_err(|error| format!("shape: {error}"))?;
        self.shapes.push((text, shape));
        Ok(self.shapes.len() - 1)
    }
}

/// The characters to show. SECURITY: not more of a token than other systems show, so that a row with a whole token in
/// this place is refused.
fn shown(given: Option<String>, known: String, prefix: usize, field: &str) -> Result<String, String> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(known) };
    let is_short = text.len() <= (prefix + MAX_SHOWN).max(known.len());
    if is_short && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(format!(
            "{field}: must be at most {MAX_SHOWN} visible ASCII characters beside the shape's prefix"
        ))
    }
}
