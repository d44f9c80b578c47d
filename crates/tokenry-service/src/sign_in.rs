//! Users who come with a JWT of a configured issuer.

use std::time::Duration;

use tokenry_crypto::{GENESIS, JwtClaims, JwtError, JwtVerifier, SecretRng, link};
use tokenry_domain::{Actor, ClientInfo, Lifetime, Role, Subject, UnixMillis, User, UserId, UserName};
use tokenry_store::{
    StoreError,
    tombstone::{self, SubjectTombstone},
    user,
};

use crate::{
    audit::AuditContext,
    caller::{Caller, CredentialKind, Person},
    issuer::{IssuerMapping, SignIn},
    key_refresh::{KeyArrival, KeyRefreshStatus},
    tokenry::Tokenry,
    user::{UserError, change, create, new_user},
    verified::{Rejection, VerifyError},
};

/// How far ahead an issuer's clock may be at least, or its configured leeway: what it issued in that span after a decision
/// here may be from before it.
const SKEW: Duration = Duration::from_secs(30);

impl Tokenry {
    /// Whether a presented credential has the form of a JWT and there are issuers: decided by the exact prefix of
    /// personal access tokens first, so that no credential is ever tried as both.
    #[must_use]
    pub fn is_jwt(&self, presented: &[u8]) -> bool {
        self.0.sign_in.is_some()
            && !self.0.prefixes.begin(presented)
            && JwtVerifier::looks_like_jwt(presented)
    }

    /// What a JWT waits for whose key is not here and is being fetched: await it, within bounds, before
    /// [`sign_in`](Self::sign_in), which does not wait. `None` if there is nothing to wait for.
    #[must_use]
    pub fn key_arrival(&self, presented: &[u8]) -> Option<KeyArrival> {
        let sign_in = self.0.sign_in.as_ref()?;
        let refresh = sign_in.key_refresh.as_ref()?;
        match refresh.refresh(sign_in.verifier.missing_key(presented)?) {
            KeyRefreshStatus::Pending(arrival) => Some(arrival),
            KeyRefreshStatus::Current | KeyRefreshStatus::Unavailable => None,
        }
    }

    /// The user whom a JWT stands for, made or brought up to date if the issuer's mapping says so. It blocks the
    /// thread.
    ///
    /// Their rights are those of their role; as long as the token names another role than is stored, those of both.
    ///
    /// # Errors
    /// [`VerifyError`]; why a token is not good is told only if its issuer did sign it.
    pub fn sign_in(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let signed_in = self.signed_in(presented, now, client);
        if let Err(VerifyError::Rejected(rejection @ (Rejection::Expired | Rejection::OwnerDisabled))) =
            &signed_in
        {
            self.record_failure(rejection.code(), client.ip, now);
        }
        signed_in
    }

    fn signed_in(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let unknown = || VerifyError::Rejected(Rejection::Unknown);
        let sign_in = self.0.sign_in.as_ref().ok_or_else(unknown)?;
        let digest = || link(&GENESIS, presented);
        let judged_at = self.0.ends.jwts.no_earlier(now, digest);
        let claims = sign_in.verifier.verify(presented, judged_at).map_err(|error| {
            if error == JwtError::Expired && !self.doubts_clock(now) {
                self.0.ends.jwts.remember(digest(), judged_at);
            }
            refusal(sign_in, presented, error)
        })?;
        let mapping =
            sign_in.issuers.iter().find(|known| known.issuer == claims.issuer()).ok_or_else(unknown)?;
        let subject = format!("{}{}", mapping.subject_prefix, claims.subject().as_str());
        let subject = Subject::parse(subject).map_err(|_| unknown())?;
        let issued_at = claims.issued_at();
        if mapping.role_claim.is_some() && issued_at.is_none() {
            // Nobody could tell whether such a claim is older than what is stored.
            return Err(unknown());
        }
        let role = self.claimed_role(mapping, &claims).ok_or_else(unknown)?;
        let leeway = sign_in.verifier.leeway(claims.issuer()).max(SKEW);
        let skew = Lifetime::seconds(u32::try_from(leeway.as_secs()).unwrap_or(u32::MAX));
        let claimed = Claimed { role, name: claimed_name(mapping, &claims), issued_at, skew };
        let (tombstone, found) = self.0.store.read(|tx| {
            let tombstone = tombstone::find(tx, &subject)?;
            Ok::<_, StoreError>((tombstone, user::find_by_subject(tx, &subject)?))
        })?;
        // SECURITY: it may speak of whoever had the subject before; without a date nobody could tell.
        if tombstone.is_some_and(|tombstone| !claimed.is_since(tombstone.gone_at)) {
            return Err(unknown());
        }
        let user = match found {
            Some(user) if user.is_disabled() => return Err(VerifyError::Rejected(Rejection::OwnerDisabled)),
            Some(user) => self.brought_up_to_date(user, &claimed, now, client)?,
            None if mapping.creates_users => {
                self.first_seen(mapping, subject, claimed.clone(), now, client)?
            }
            None => return Err(unknown()),
        };
        if user.is_disabled() {
            return Err(VerifyError::Rejected(Rejection::OwnerDisabled));
        }
        let effective = self.rights_under(&user, claimed.role.as_ref());
        let (credential, max_role) = (CredentialKind::Jwt, claimed.role);
        Ok(Caller::person(Person { user, effective, credential, max_role, session: None, token: None }))
    }

    /// The highest role that the claims name; the default if they name none; no role where the issuer has no say.
    /// `None` where the claim is there and cannot be read.
    fn claimed_role(&self, mapping: &IssuerMapping, claims: &JwtClaims) -> Option<Option<Role>> {
        let Some(claim) = &mapping.role_claim else { return Some(None) };
        let values = claims.texts_or_unreadable(claim)?;
        let is_named = |role: &&Role| {
            values.iter().any(|value| match mapping.roles.as_slice() {
                [] => *value == role.as_str(),
                roles => roles.iter().any(|(name, mapped)| name == value && mapped == *role),
            })
        };
        let named = self.0.rules.catalog.roles().filter(is_named).last().cloned();
        Some(Some(named.unwrap_or_else(|| self.default_role(mapping))))
    }

    fn default_role(&self, mapping: &IssuerMapping) -> Role {
        mapping.default_role.clone().unwrap_or_else(|| self.0.rules.catalog.default_role())
    }

    fn first_seen(
        &self,
        mapping: &IssuerMapping,
        subject: Subject,
        claimed: Claimed,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<User, VerifyError> {
        let id =
            UserId::new(now, SecretRng::os().bytes().map_err(|error| StoreError::Bug(error.to_string()))?);
        let role = claimed.role.clone().unwrap_or_else(|| self.default_role(mapping));
        let text: String = subject.as_str().chars().take(UserName::MAX).collect();
        let name = match claimed.name.clone() {
            Some(name) => name,
            None => UserName::parse(text).map_err(|_| VerifyError::Rejected(Rejection::Unknown))?,
        };
        let audit = AuditContext { actor: Actor::User(id), at: now, client: client.clone() };
        let wanted = subject.clone();
        let made = self.0.store.write(move |tx| {
            // Whoever was removed does not come back with a token of before; whoever was disabled, not by themselves.
            let is_newer =
                |tombstone: SubjectTombstone| !tombstone.was_disabled && claimed.is_since(tombstone.gone_at);
            if !tombstone::find(tx, &wanted)?.is_none_or(is_newer) {
                return Ok(None);
            }
            tombstone::readmit(tx, &wanted)?;
            let user = User { claims_at: claimed.issued_at, ..new_user(id, wanted, name, role, now) };
            create(tx, &user, &audit)?;
            Ok::<_, StoreError>(Some(user))
        });
        let unknown = VerifyError::Rejected(Rejection::Unknown);
        match made {
            // Another request of the same user was faster.
            Err(StoreError::Conflict(_)) => {
                let found = self.0.store.read(|tx| user::find_by_subject(tx, &subject))?;
                found.ok_or(unknown)
            }
            made => made?.ok_or(unknown),
        }
    }

    /// Takes over name and role from a token that was issued after the last one that was taken over, and after the
    /// user was last changed here: an older one must not undo what was decided since.
    fn brought_up_to_date(
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
        let audit = AuditContext { actor: Actor::User(user.id), at: now, client: client.clone() };
        let (claimed, id) = (claimed.clone(), user.id);
        let changed = self.0.store.write(move |tx| {
            let before = user::lock(tx, id)?.ok_or(UserError::NotFound)?;
            // Another token, or somebody here, was faster.
            if !claimed.is_newer(&before) {
                return Ok(before);
            }
            let mut after = before.clone();
            after.claims_at = claimed.issued_at;
            if !claimed.is_of(&before) {
                after.role = claimed.role.unwrap_or(after.role);
                after.name = claimed.name.unwrap_or(after.name);
                after.updated_at = now;
            }
            change::store(tx, &before, &after, &audit)?;
            Ok(after)
        });
        changed.map_err(|error| match error {
            UserError::Store(error) => VerifyError::Store(error),
            _ => VerifyError::Rejected(Rejection::Unknown),
        })
    }
}

/// What the claims say about the user.
#[derive(Clone)]
struct Claimed {
    role: Option<Role>,
    name: Option<UserName>,
    issued_at: Option<UnixMillis>,
    /// How far ahead the clock may be that `issued_at` was read from.
    skew: Lifetime,
}

impl Claimed {
    /// Whether this is the latest that is known of the user: later than the claims that were taken over last, and than
    /// what was decided here.
    fn is_newer(&self, user: &User) -> bool {
        let is_later = |issued: UnixMillis| user.claims_at.is_none_or(|last| issued > last);
        self.issued_at.is_some_and(is_later) && user.claims_after.is_none_or(|at| self.is_since(at))
    }

    /// Whether this was surely claimed after something happened here at `at`.
    fn is_since(&self, at: UnixMillis) -> bool {
        let safe = at.checked_add(self.skew).unwrap_or(UnixMillis::MAX);
        self.issued_at.is_some_and(|issued| issued > safe)
    }

    fn is_of(&self, user: &User) -> bool {
        self.role.as_ref().is_none_or(|role| *role == user.role)
            && self.name.as_ref().is_none_or(|name| *name == user.name)
    }
}

fn claimed_name(mapping: &IssuerMapping, claims: &JwtClaims) -> Option<UserName> {
    UserName::parse(claims.text(mapping.name_claim.as_ref()?)?.to_owned()).ok()
}

/// SECURITY: whoever has no token of the issuer learns nothing: one answer for all of it.
fn refusal(sign_in: &SignIn, presented: &[u8], error: JwtError) -> VerifyError {
    tracing::debug!(%error, "a JWT was refused");
    match error {
        JwtError::Expired => VerifyError::Rejected(Rejection::Expired),
        JwtError::KeysUnavailable => VerifyError::KeysUnavailable,
        JwtError::UnknownKey => {
            let issuer = sign_in.verifier.missing_key(presented);
            match sign_in.key_refresh.as_ref().zip(issuer).map(|(keys, issuer)| keys.refresh(issuer)) {
                None | Some(KeyRefreshStatus::Current) => VerifyError::Rejected(Rejection::Unknown),
                // Nobody can tell yet whether the issuer has such a key.
                Some(KeyRefreshStatus::Pending(_) | KeyRefreshStatus::Unavailable) => {
                    VerifyError::KeysUnavailable
                }
            }
        }
        _ => VerifyError::Rejected(Rejection::Unknown),
    }
}
