//! Users authenticated by the embedding program or by a trusted proxy.

use tokenry_crypto::SecretRng;
use tokenry_domain::{Actor, ClientInfo, Subject, UnixMillis, User, UserId, UserName};
use tokenry_store::{
    StoreError,
    tombstone::{self, SubjectTombstone},
    user,
};

use crate::{
    audit::AuditContext,
    caller::{Caller, CredentialKind, SignedInUser},
    tokenry::Tokenry,
    user::{create, new_user},
    verified::{Rejection, VerifyError},
};

impl Tokenry {
    /// Creates a caller for a user whom the embedding program has authenticated itself, for example by its own session.
    /// Their permissions are those of their role. Returns `None` for a disabled user. Read the user again for each
    /// request: after a change of the user, changes by an older caller are rejected.
    #[must_use]
    pub fn caller_for_user(&self, user: User) -> Option<Caller> {
        let effective = self.0.rules.catalog.user_permissions(&user.role);
        let is_enabled = !user.is_disabled();
        let signed_in = SignedInUser {
            user,
            effective,
            credential: CredentialKind::User,
            max_role: None,
            session: None,
            token: None,
        };
        is_enabled.then(|| Caller::signed_in(signed_in))
    }

    /// Creates a caller for the user with this subject, whom a trusted proxy has authenticated. With `creates_users`,
    /// an unknown user is created with the lowest role, unless a user with this subject was disabled and deleted.
    /// Blocks the thread.
    ///
    /// SECURITY: it trusts the embedding program, as [`caller_for_user`](Self::caller_for_user) does.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn sign_in_via_proxy(
        &self,
        subject: &str,
        creates_users: bool,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let subject = Subject::parse(subject).map_err(|_| VerifyError::unknown())?;
        self.await_moment()?;
        let found = self.0.store.read(|tx| user::find_by_subject(tx, &subject))?;
        let user = match found {
            Some(user) => user,
            None if creates_users => self.create_from_proxy(subject, now, client)?,
            None => return Err(VerifyError::unknown()),
        };
        self.caller_for_user(user).ok_or_else(|| {
            let rejection = Rejection::OwnerDisabled;
            self.record_failure(rejection.code(), client.ip, now);
            VerifyError::Rejected(rejection)
        })
    }

    fn create_from_proxy(
        &self,
        subject: Subject,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<User, VerifyError> {
        let id_bytes = SecretRng::os().bytes().map_err(|error| StoreError::Bug(error.to_string()))?;
        let id = UserId::new(now, id_bytes);
        let text: String = subject.as_str().chars().take(UserName::MAX).collect();
        let name = UserName::parse(text).map_err(|_| VerifyError::unknown())?;
        let role = self.0.rules.catalog.default_role();
        let audit = AuditContext::new(Actor::User(id), now, client.clone());
        let new_subject = subject.clone();
        let created = self.0.store.write(move |tx| {
            if tombstone::find(tx, &new_subject)?
                .is_some_and(|tombstone: SubjectTombstone| tombstone.was_disabled)
            {
                return Ok(None);
            }
            tombstone::clear_disabled(tx, &new_subject)?;
            let mut user = new_user(id, new_subject, name, role, now);
            // Claims that were issued before do not apply.
            user.claims_after = Some(now);
            create(tx, &user, &audit)?;
            Ok::<_, StoreError>(Some(user))
        });
        match created {
            // A concurrent request created the same user.
            Err(StoreError::Conflict(_)) => {
                self.0.store.read(|tx| user::find_by_subject(tx, &subject))?.ok_or_else(VerifyError::unknown)
            }
            created => created?.ok_or_else(VerifyError::unknown),
        }
    }
}
