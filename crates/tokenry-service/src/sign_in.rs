//! Signs in users with a JWT of a configured issuer.

use std::time::Duration;

use tokenry_crypto::{GENESIS, JwtClaims, JwtError, JwtVerifier, SecretRng, chain_digest};
use tokenry_domain::{Actor, ClientInfo, Lifetime, Role, Subject, UnixMillis, User, UserId, UserName};
use tokenry_store::{
    StoreError,
    tombstone::{self, SubjectTombstone},
    user,
};

use crate::{
    audit::AuditContext,
    caller::{Caller, CredentialKind, SignedInUser},
    issuer::{IssuerMapping, SignIn},
    key_refresh::{KeyArrival, KeyRefreshStatus},
    tokenry::Tokenry,
    user::{UserError, create, new_user, stored::store},
    verified::{Rejection, VerifyError},
};

/// The minimum assumed clock skew of an issuer, if its configured leeway is less: a JWT with an `iat` within this span
/// after a local change may have been issued before it.
const SKEW: Duration = Duration::from_secs(30);

impl Tokenry {
    /// Whether a presented credential has the form of a JWT and issuers are configured. The exact prefix of personal
    /// access tokens is checked first, so that no credential is tried as both.
    #[must_use]
    pub fn is_jwt(&self, presented: &[u8]) -> bool {
        self.0.sign_in.is_some()
            && !self.0.prefixes.match_start_of(presented)
            && JwtVerifier::looks_like_jwt(presented)
    }

    /// A running fetch of the key of this JWT. Await it, with a time limit, before [`sign_in`](Self::sign_in), which
    /// does not wait. `None` if there is nothing to wait for.
    #[must_use]
    pub fn key_arrival(&self, presented: &[u8]) -> Option<KeyArrival> {
        let sign_in = self.0.sign_in.as_ref()?;
        let refresh = sign_in.key_refresh.as_ref()?;
        match refresh.refresh(sign_in.verifier.missing_key(presented)?) {
            KeyRefreshStatus::Pending(arrival) => Some(arrival),
            KeyRefreshStatus::Current | KeyRefreshStatus::Unavailable => None,
        }
    }

    /// Authenticates the user of a JWT, and creates or updates them if the issuer's mapping says so. Blocks the thread.
    ///
    /// Their permissions are those of their role; while the JWT claims another role than is stored, the intersection of
    /// both.
    ///
    /// # Errors
    /// [`VerifyError`]; it gives a reason only for a JWT that its issuer signed.
    pub fn sign_in(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let result = self.authenticate_jwt(presented, now, client);
        if let Err(VerifyError::Rejected(rejection @ (Rejection::Expired | Rejection::OwnerDisabled))) =
            &result
        {
            self.record_failure(rejection.code(), client.ip, now);
        }
        result
    }

    fn authenticate_jwt(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let sign_in = self.0.sign_in.as_ref().ok_or_else(VerifyError::unknown)?;
        let evaluated_at = self.0.expiries.jwts.evaluation_instant(now, || digest(presented));
        let claims = sign_in.verifier.verify(presented, evaluated_at).map_err(|error| {
            if error == JwtError::Expired && !self.doubts_clock(now) {
                self.0.expiries.jwts.record(digest(presented), evaluated_at);
            }
            jwt_rejection(sign_in, presented, error)
        })?;
        let mapping = sign_in
            .issuers
            .iter()
            .find(|known| known.issuer == claims.issuer())
            .ok_or_else(VerifyError::unknown)?;
        self.caller_of_claims(mapping, &claims, sign_in.verifier.leeway(claims.issuer()), now, client)
    }

    /// The user of verified claims, who is created or updated if the mapping says so. `leeway` is the tolerated clock
    /// difference of the issuer.
    pub(crate) fn caller_of_claims(
        &self,
        mapping: &IssuerMapping,
        claims: &JwtClaims,
        leeway: Duration,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let subject = format!("{}{}", mapping.subject_prefix, claims.subject().as_str());
        let subject = Subject::parse(subject).map_err(|_| VerifyError::unknown())?;
        let issued_at = claims.issued_at();
        if mapping.role_claim.is_some() && issued_at.is_none() {
            // Without `iat` it is unknown whether the claim is older than the stored role.
            return Err(VerifyError::unknown());
        }
        let role = self.claimed_role(mapping, claims).ok_or_else(VerifyError::unknown)?;
        let skew = Lifetime::seconds(u32::try_from(leeway.max(SKEW).as_secs()).unwrap_or(u32::MAX));
        let claimed = Claimed { role, name: claimed_name(mapping, claims), issued_at, skew };
        self.await_moment()?;
        let (tombstone, found) = self.0.store.read(|tx| {
            let tombstone = tombstone::find(tx, &subject)?;
            Ok::<_, StoreError>((tombstone, user::find_by_subject(tx, &subject)?))
        })?;
        // SECURITY: the JWT may belong to the previous holder of the subject, unless it was surely issued later.
        if tombstone.is_some_and(|tombstone| !claimed.is_issued_after(tombstone.gone_at)) {
            return Err(VerifyError::unknown());
        }
        let max_role = claimed.role.clone();
        let user = match found {
            Some(user) if user.is_disabled() => return Err(VerifyError::Rejected(Rejection::OwnerDisabled)),
            Some(user) => self.apply_claims(user, &claimed, now, client)?,
            None if mapping.creates_users => {
                self.create_from_claims(mapping, subject, claimed, now, client)?
            }
            None => return Err(VerifyError::unknown()),
        };
        if user.is_disabled() {
            return Err(VerifyError::Rejected(Rejection::OwnerDisabled));
        }
        let effective = self.permissions_under(&user, max_role.as_ref());
        Ok(Caller::signed_in(SignedInUser {
            user,
            effective,
            credential: CredentialKind::Jwt,
            max_role,
            session: None,
            token: None,
        }))
    }

    /// The highest role that the claims name, or the default if they name none; `Some(None)` if the issuer does not
    /// decide about roles. `None` if the claim is present but unreadable.
    fn claimed_role(&self, mapping: &IssuerMapping, claims: &JwtClaims) -> Option<Option<Role>> {
        let Some(claim) = &mapping.role_claim else { return Some(None) };
        let values = claims.texts_or_unreadable(claim)?;
        let named =
            self.0.rules.catalog.roles().filter(|role| is_named(role, mapping, &values)).last().cloned();
        Some(Some(named.unwrap_or_else(|| self.default_role(mapping))))
    }

    fn default_role(&self, mapping: &IssuerMapping) -> Role {
        mapping.default_role.clone().unwrap_or_else(|| self.0.rules.catalog.default_role())
    }

    fn create_from_claims(
        &self,
        mapping: &IssuerMapping,
        subject: Subject,
        mut claimed: Claimed,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<User, VerifyError> {
        let id =
            UserId::new(now, SecretRng::os().bytes().map_err(|error| StoreError::Bug(error.to_string()))?);
        let role = claimed.role.take().unwrap_or_else(|| self.default_role(mapping));
        let text: String = subject.as_str().chars().take(UserName::MAX).collect();
        let name = match claimed.name.take() {
            Some(name) => name,
            None => UserName::parse(text).map_err(|_| VerifyError::unknown())?,
        };
        let audit = AuditContext::new(Actor::User(id), now, client.clone());
        let new_subject = subject.clone();
        let created = self.0.store.write(move |tx| {
            // A JWT issued before deletion cannot recreate the user; a disabled user cannot re-enable themselves by
            // signing in.
            if tombstone::find(tx, &new_subject)?.is_some_and(|tombstone| !claimed.may_recreate(&tombstone)) {
                return Ok(None);
            }
            tombstone::clear_disabled(tx, &new_subject)?;
            let user = User { claims_at: claimed.issued_at, ..new_user(id, new_subject, name, role, now) };
            create(tx, &user, &audit)?;
            Ok::<_, StoreError>(Some(user))
        });
        match created {
            // A concurrent request created the same user.
            Err(StoreError::Conflict(_)) => {
                let found = self.0.store.read(|tx| user::find_by_subject(tx, &subject))?;
                found.ok_or_else(VerifyError::unknown)
            }
            created => created?.ok_or_else(VerifyError::unknown),
        }
    }

    /// Applies name and role from a JWT that was issued after the last applied one and after the user was last changed
    /// here: an older JWT must not undo later changes.
    fn apply_claims(
        &self,
        user: User,
        claimed: &Claimed,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<User, VerifyError> {
        let says_nothing = claimed.role.is_none() && claimed.name.is_none();
        if says_nothing || !claimed.is_newer(&user) {
            return Ok(user);
        }
        let audit = AuditContext::new(Actor::User(user.id), now, client.clone());
        let (claimed, id) = (claimed.clone(), user.id);
        let changed = self.0.store.write(move |tx| {
            let before = user::lock(tx, id)?.ok_or(UserError::NotFound)?;
            // A newer JWT or a change here was committed first.
            if !claimed.is_newer(&before) {
                return Ok(before);
            }
            let mut after = before.clone();
            after.claims_at = claimed.issued_at;
            if !claimed.matches(&before) {
                after.role = claimed.role.unwrap_or(after.role);
                after.name = claimed.name.unwrap_or(after.name);
                after.updated_at = now;
            }
            if !store(tx, &before, &after, &audit)? {
                return Err(UserError::NotFound);
            }
            Ok(after)
        });
        changed.map_err(|error| match error {
            UserError::Store(error) => VerifyError::Store(error),
            _ => VerifyError::unknown(),
        })
    }
}

/// The claims about the user.
#[derive(Clone)]
struct Claimed {
    role: Option<Role>,
    name: Option<UserName>,
    issued_at: Option<UnixMillis>,
    /// How far ahead the issuer's clock may be.
    skew: Lifetime,
}

impl Claimed {
    /// Whether these claims are newer than the last applied claims and than the last change here.
    fn is_newer(&self, user: &User) -> bool {
        self.issued_at.is_some_and(|issued| user.claims_at.is_none_or(|last| issued > last))
            && user.claims_after.is_none_or(|at| self.is_issued_after(at))
    }

    /// Whether the JWT was surely issued after `at` by the clock of this node.
    fn is_issued_after(&self, at: UnixMillis) -> bool {
        let safe = at.checked_add(self.skew).unwrap_or(UnixMillis::MAX);
        self.issued_at.is_some_and(|issued| issued > safe)
    }

    /// Whether the JWT may recreate a deleted user.
    fn may_recreate(&self, tombstone: &SubjectTombstone) -> bool {
        !tombstone.was_disabled && self.is_issued_after(tombstone.gone_at)
    }

    /// Whether the user already matches the claims.
    fn matches(&self, user: &User) -> bool {
        self.role.as_ref().is_none_or(|role| *role == user.role)
            && self.name.as_ref().is_none_or(|name| *name == user.name)
    }
}

/// Whether one of these values of the role claim names the role.
fn is_named(role: &Role, mapping: &IssuerMapping, values: &[&str]) -> bool {
    values.iter().any(|value| match mapping.roles.as_slice() {
        [] => *value == role.as_str(),
        roles => roles.iter().any(|(name, mapped)| name == value && mapped == role),
    })
}

/// The digest by which the expiry of a JWT is remembered.
fn digest(presented: &[u8]) -> [u8; 32] {
    chain_digest(&GENESIS, presented)
}

fn claimed_name(mapping: &IssuerMapping, claims: &JwtClaims) -> Option<UserName> {
    UserName::parse(claims.text(mapping.name_claim.as_ref()?)?.to_owned()).ok()
}

/// SECURITY: a client without a JWT of the issuer gets one answer for all faults, and so learns nothing.
fn jwt_rejection(sign_in: &SignIn, presented: &[u8], error: JwtError) -> VerifyError {
    tracing::debug!(%error, "a JWT was rejected");
    match error {
        JwtError::Expired => VerifyError::Rejected(Rejection::Expired),
        JwtError::KeysUnavailable => VerifyError::KeysUnavailable,
        JwtError::UnknownKey => {
            let issuer = sign_in.verifier.missing_key(presented);
            match sign_in.key_refresh.as_ref().zip(issuer).map(|(keys, issuer)| keys.refresh(issuer)) {
                None | Some(KeyRefreshStatus::Current) => VerifyError::unknown(),
                // It is not known yet whether the issuer has such a key.
                Some(KeyRefreshStatus::Pending(_) | KeyRefreshStatus::Unavailable) => {
                    VerifyError::KeysUnavailable
                }
            }
        }
        _ => VerifyError::unknown(),
    }
}
