//! Counts the stored rows that other settings invalidate: tokens that would be rejected, users who could no longer sign
//! in. The database counts them, so that large tables are no problem.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use tokenry_crypto::{PUBLIC_ID_LEN, Prefixes, Shape};
use tokenry_domain::Catalog;
use tokenry_store::{
    StoreError,
    stored_settings::{self, PublicIdLengths, SecretOrigin},
};

use crate::{
    caller::RequestContext, read_error::ReadError, required::admin_read, settings::Settings, shapes,
    tokenry::Tokenry,
};

/// The part of the settings that stored rows depend on.
#[derive(Debug, Clone)]
pub struct SettingsOutline {
    prefixes: Prefixes,
    peppers: Vec<String>,
    catalog: Catalog,
    subject_prefixes: Vec<String>,
}

impl SettingsOutline {
    /// Extracts that part of `settings`.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        #[cfg(feature = "jwt")]
        let issuers =
            settings.sign_in.iter().flat_map(|sign_in| &sign_in.issuers).chain(
                settings.oidc.iter().flat_map(|oidc| &oidc.providers).map(|provider| &provider.mapping),
            );
        Self {
            prefixes: Prefixes::new(settings.prefix.clone(), settings.former_prefixes.clone()),
            peppers: settings.hash.peppers.iter().map(|pepper| pepper.id().to_owned()).collect(),
            catalog: settings.catalog.clone(),
            #[cfg(feature = "jwt")]
            subject_prefixes: issuers.map(|issuer| issuer.subject_prefix.clone()).collect(),
            #[cfg(not(feature = "jwt"))]
            subject_prefixes: Vec::new(),
        }
    }

    fn has_role(&self, role: &str) -> bool {
        self.catalog.roles().any(|known| known.as_str() == role)
    }

    /// Whether tokens with this prefix are accepted. Imported tokens have none; their shapes are stored.
    fn accepts(&self, prefix: &str) -> bool {
        prefix.is_empty() || self.prefixes.contains(prefix)
    }

    /// The peppers that a secret needs and these settings lack: that of its stored hash, and that of the digest by which
    /// the shape of an imported token finds its row, which is needed also after the hash was replaced.
    fn missing_peppers(&self, shapes: &[Shape], origin: &SecretOrigin) -> BTreeSet<String> {
        let is_its = |shape: &&Shape| Some(shape.public_id_prefix()) == origin.shape;
        let of_shape = shapes.iter().find(is_its).and_then(Shape::lookup_pepper);
        let needed = of_shape.into_iter().chain(origin.pepper.as_deref());
        needed.filter(|id| !self.peppers.iter().any(|known| known == id)).map(str::to_owned).collect()
    }
}

/// Rows that are invalid under some settings. [`fmt::Display`] writes a sentence with advice for each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsReport {
    /// The number of live tokens; here and below, of users who are not disabled.
    pub live: u64,
    /// Live tokens whose prefix is not accepted, by prefix. They are rejected.
    pub prefixes: BTreeMap<String, u64>,
    /// Live tokens that need a pepper that is not configured, by its id: it is that of their stored hash, or the shape of
    /// imported tokens finds them by it. Their verification fails as unavailable.
    pub peppers: BTreeMap<String, u64>,
    /// Live tokens whose owner has a role that the catalog lacks, by role. They have no permissions.
    pub token_roles: BTreeMap<String, u64>,
    /// Users who are not disabled with such a role.
    pub user_roles: BTreeMap<String, u64>,
    /// Retired secrets that would stop working before the end of their grace.
    pub old_secrets: u64,
    /// Users who signed in with a JWT and whose subject matches no configured issuer.
    pub subjects: u64,
    /// Default scopes that the lowest role may not hold, so that its users get no token without naming scopes.
    pub default_scopes: Vec<String>,
}

impl SettingsReport {
    /// Whether all stored rows are still valid.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self { live: self.live, ..Self::default() }
    }

    /// Whether there are live tokens and all of them would be rejected for their prefix.
    #[must_use]
    pub fn rejects_all(&self) -> bool {
        self.live > 0 && self.prefixes.values().sum::<u64>() == self.live
    }

    /// One sentence for each kind of row.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if !self.prefixes.is_empty() {
            let (count, names) = (self.prefixes.values().sum::<u64>(), listed(&self.prefixes));
            sentences.push(format!(
                "{count} of {} live tokens have a prefix that is rejected ({names}): add it to token.former_prefixes, \
                 or revoke them",
                self.live
            ));
        }
        if !self.peppers.is_empty() {
            // A token may need two, so the numbers do not add up to tokens.
            sentences.push(format!(
                "live tokens need a pepper that is not configured ({}): give it as the second one, or revoke them",
                listed(&self.peppers)
            ));
        }
        if !self.user_roles.is_empty() || !self.token_roles.is_empty() {
            let users = self.user_roles.values().sum::<u64>();
            let tokens = self.token_roles.values().sum::<u64>();
            let names = listed(if users > 0 { &self.user_roles } else { &self.token_roles });
            sentences.push(format!(
                "{users} users with {tokens} live tokens have a role that the catalog lacks, and no permissions ({names}): \
                 add it to the catalog, or give them another role"
            ));
        }
        if self.old_secrets > 0 {
            sentences.push(format!(
                "{} retired secrets would stop working before the end of their grace, because of their prefix or pepper",
                self.old_secrets
            ));
        }
        if self.subjects > 0 {
            sentences.push(format!(
                "{} users signed in with a JWT, and their subject matches no configured issuer: restore the \
                 subject_prefix, or update, disable or delete the users",
                self.subjects
            ));
        }
        if !self.default_scopes.is_empty() {
            sentences.push(format!(
                "catalog.default_scopes has scopes that the lowest role may not hold ({}): users of that role get no \
                 token without naming scopes",
                self.default_scopes.join(" ")
            ));
        }
        sentences
    }
}

impl fmt::Display for SettingsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentences().join("; "))
    }
}

/// `old_: 3, older_: 1`
fn listed(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<_> = counts.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    parts.join(", ")
}

impl Tokenry {
    /// Counts the stored rows that are invalid under these settings, which may differ from those of this installation.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`ReadError::Denied`], [`ReadError::Store`].
    pub fn check_settings(
        &self,
        context: &RequestContext,
        outline: &SettingsOutline,
    ) -> Result<SettingsReport, ReadError> {
        context.caller.require(&admin_read())?;
        let cutoffs = self.0.rules.cutoffs(context.now);
        let graced_after = context.now.checked_sub(self.0.rules.policy.max_grace);
        let length = |length| u8::try_from(length).unwrap_or(u8::MAX);
        let lengths =
            PublicIdLengths { own: length(PUBLIC_ID_LEN), shape: length(Shape::PUBLIC_ID_PREFIX_LEN) };
        let shapes = shapes::read(&self.0.store)?;
        let (live, old, by_role, subjects) = self.0.store.read(|tx| {
            Ok::<_, StoreError>((
                stored_settings::live_tokens(tx, &cutoffs, lengths)?,
                stored_settings::old_secrets(tx, &cutoffs, graced_after, lengths)?,
                stored_settings::users_by_role(tx)?,
                stored_settings::users_of_no_issuer(tx, &outline.subject_prefixes)?,
            ))
        })?;
        let lowest_role = outline.catalog.max_token_permissions(&outline.catalog.default_role());
        let mut report = SettingsReport {
            subjects,
            default_scopes: lowest_role.missing(outline.catalog.default_scopes()).to_texts(),
            ..SettingsReport::default()
        };
        for tokens in live {
            report.live += tokens.tokens;
            for id in outline.missing_peppers(&shapes, &tokens.origin) {
                *report.peppers.entry(id).or_default() += tokens.tokens;
            }
            if !outline.accepts(&tokens.origin.prefix) {
                *report.prefixes.entry(tokens.origin.prefix).or_default() += tokens.tokens;
            }
            if !outline.has_role(&tokens.role) {
                *report.token_roles.entry(tokens.role).or_default() += tokens.tokens;
            }
        }
        for (origin, count) in old {
            if !outline.accepts(&origin.prefix) || !outline.missing_peppers(&shapes, &origin).is_empty() {
                report.old_secrets += count;
            }
        }
        report.user_roles = by_role.into_iter().filter(|(role, _)| !outline.has_role(role)).collect();
        Ok(report)
    }
}
