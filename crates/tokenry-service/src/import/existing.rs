//! Compares planned rows with the database.

use std::collections::{HashMap, HashSet};

use tokenry_crypto::SecretRng;
use tokenry_domain::{PublicId, Subject};
use tokenry_store::{
    StoreError,
    import::{self, StoredRow},
    tombstone, user,
};

use super::{ImportError, ImportPlan, ImportSettings, PlannedOwner, PlannedRow, RefusedRow, planned_user};
use crate::{caller::RequestContext, tokenry::Tokenry};

/// How many rows one query compares.
const CHUNK: usize = 1000;
/// The most shapes of one installation: each costs a comparison for every text that is not a token.
const MAX_SHAPES: usize = 16;

impl ImportPlan {
    /// Leaves out rows that were imported before, and rejects those whose lookup key another token has. Rows that an
    /// unfinished run of the same file has stored are left out as well and activated with the others.
    pub(super) fn leave_out_existing(&mut self, tokenry: &Tokenry) -> Result<(), ImportError> {
        let source = self.source.as_str();
        let (mut imported, mut taken): (HashMap<String, StoredRow>, HashSet<PublicId>) = Default::default();
        let (unfinished, stored) = tokenry.0.store.read(|tx| {
            (imported, taken) = Default::default();
            for rows in self.rows.chunks(CHUNK) {
                let ids: Vec<&str> = rows.iter().map(|row| row.source_id.as_str()).collect();
                imported.extend(import::find_imported(tx, source, &ids)?);
                let public_ids: Vec<&str> = rows.iter().map(|row| row.token.public_id.as_str()).collect();
                taken.extend(import::taken(tx, &public_ids)?);
            }
            Ok::<_, StoreError>((import::unfinished(tx, source)?, import::shapes(tx)?))
        })?;
        let new_shapes =
            self.shapes.iter().filter(|shape| !stored.iter().any(|shape_text| shape_text == shape.as_str()));
        let has_room = stored.len() + new_shapes.count() <= MAX_SHAPES;
        // Another file replaces what an unfinished run has stored.
        let replaced = unfinished.filter(|run| run.digest != self.digest).map(|run| run.id);
        let resumed = unfinished.filter(|run| run.digest == self.digest).map(|run| run.id);
        for row in std::mem::take(&mut self.rows) {
            let imported = imported.get(&row.source_id);
            // SECURITY: a token that was revoked, rotated or deleted while it was staged is not stored again.
            let is_replaced = imported.is_some_and(|row| Some(row.import) == replaced && row.is_untouched);
            if let Some(imported) = imported.filter(|_| !is_replaced) {
                self.already_imported += u64::from(Some(imported.import) != resumed);
                continue;
            }
            if !has_room {
                self.reject(&row, format!("shape: an installation has at most {MAX_SHAPES} shapes"));
            } else if taken.contains(&row.token.public_id) && !is_replaced {
                self.reject(&row, "lookup: another token has the same one".to_owned());
            } else {
                self.rows.push(row);
            }
        }
        Ok(())
    }

    /// Finds the owners, and rejects rows whose owner does not exist and may not be created.
    pub(super) fn find_owners(
        &mut self,
        tokenry: &Tokenry,
        context: &RequestContext,
        settings: &ImportSettings,
        rng: &mut SecretRng,
    ) -> Result<(), ImportError> {
        let wanted: HashSet<&Subject> = self.rows.iter().map(|row| &row.owner).collect();
        let wanted: Vec<Subject> = wanted.into_iter().cloned().collect();
        for subjects in wanted.chunks(CHUNK) {
            let texts: Vec<&str> = subjects.iter().map(Subject::as_str).collect();
            let found = tokenry.0.store.read(|tx| user::find_by_subjects(tx, &texts))?;
            self.owners.extend(found.into_iter().map(|user| (user.subject, PlannedOwner::Existing(user.id))));
        }
        let mut disabled = HashSet::new();
        for subject in wanted {
            if !settings.create_users || self.owners.contains_key(&subject) {
                continue;
            }
            // SECURITY: a user who was deleted while disabled comes back only by an explicit creation.
            if tokenry.0.store.read(|tx| tombstone::find(tx, &subject))?.is_some_and(|gone| gone.was_disabled)
            {
                disabled.insert(subject);
                continue;
            }
            let user = planned_user(tokenry, &subject, context.now, rng)?;
            self.owners.insert(subject, user);
        }
        for mut row in std::mem::take(&mut self.rows) {
            if let Some(owner) = self.owners.get(&row.owner) {
                row.token.user_id = owner.id();
                self.rows.push(row);
            } else if disabled.contains(&row.owner) {
                self.reject(
                    &row,
                    "owner: was disabled and then deleted; create the user first if that is intended"
                        .to_owned(),
                );
            } else {
                self.reject(&row, "owner: there is no such user, and users are not created".to_owned());
            }
        }
        Ok(())
    }

    fn reject(&mut self, row: &PlannedRow, reason: String) {
        let id = super::shortened(&row.source_id);
        self.refused.push(RefusedRow { line: row.line, id, reason });
    }
}
