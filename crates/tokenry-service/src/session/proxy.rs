//! Users whom a trusted proxy names.

use tokenry_crypto::SecretRng;
use tokenry_domain::{Actor, ClientInfo, Subject, UnixMillis, User, UserId, UserName};
use tokenry_store::{
    StoreError,
    tombstone::{self, SubjectTombstone},
    user,
};

use crate::{
    audit::AuditContext,
    caller::{Caller, CredentialKind, Person},
    tokenry::Tokenry,
    user::{create, new_user},
    verified::{Rejection, VerifyError},
};

impl Tokenry {
    /// A caller for a user whom the embedding program has authenticated itself, for example by its own session.
    /// Their rights are those of their role. A disabled user cannot be vouched for. Take the user as they are stored now,
    /// for each request: what was decided about them since is refused to a caller who was let in before.
    #[must_use]
    pub fn caller_for_user(&self, user: User) -> Option<Caller> {
        let effective = self.0.rules.catalog.of_role(&user.role);
        let is_enabled = !user.is_disabled();
        let person = Person {
            user,
            effective,
            credential: CredentialKind::User,
            max_role: None,
            session: None,
            token: None,
        };
        is_enabled.then(|| Caller::person(person))
    }

    /// The user with this subject, whom a trusted proxy has authenticated; one who was never seen is made, with the
    /// least role, if `creates_users`. Whoever was disabled is not made again. It blocks the thread.
    ///
    /// SECURITY: it believes its caller, as [`caller_for_user`](Self::caller_for_user) does.
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
        let unknown = || VerifyError::Rejected(Rejection::Unknown);
        let subject = Subject::parse(subject).map_err(|_| unknown())?;
        let found = self.0.store.read(|tx| user::find_by_subject(tx, &subject))?;
        let user = match found {
            Some(user) => user,
            None if creates_users => self.make_named(subject, now, client)?,
            None => return Err(unknown()),
        };
        self.caller_for_user(user).ok_or_else(|| {
            let rejection = Rejection::OwnerDisabled;
            self.record_failure(rejection.code(), client.ip, now);
            VerifyError::Rejected(rejection)
        })
    }

    fn make_named(
        &self,
        subject: Subject,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<User, VerifyError> {
        let unknown = || VerifyError::Rejected(Rejection::Unknown);
        let defect = |error: tokenry_crypto::RngError| StoreError::Bug(error.to_string());
        let id = UserId::new(now, SecretRng::os().bytes().map_err(defect)?);
        let text: String = subject.as_str().chars().take(UserName::MAX).collect();
        let name = UserName::parse(text).map_err(|_| unknown())?;
        let role = self.0.rules.catalog.default_role();
        let audit = AuditContext { actor: Actor::User(id), at: now, client: client.clone() };
        let wanted = subject.clone();
        let made = self.0.store.write(move |tx| {
            if tombstone::find(tx, &wanted)?.is_some_and(|tombstone: SubjectTombstone| tombstone.was_disabled)
            {
                return Ok(None);
            }
            tombstone::readmit(tx, &wanted)?;
            let mut user = new_user(id, wanted, name, role, now);
            // No claim of before decides about them.
            user.claims_after = Some(now);
            create(tx, &user, &audit)?;
            Ok::<_, StoreError>(Some(user))
        });
        match made {
            // Another request of the same user was faster.
            Err(StoreError::Conflict(_)) => {
                self.0.store.read(|tx| user::find_by_subject(tx, &subject))?.ok_or_else(unknown)
            }
            made => made?.ok_or_else(unknown),
        }
    }
}
