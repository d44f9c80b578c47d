//! Users whom a trusted proxy names.

use tokenry_crypto::SecretRng;
use tokenry_domain::{Actor, Origin, Subject, UnixMillis, User, UserId, UserName};
use tokenry_store::{
    StoreError,
    former::{self, Former},
    user,
};

use crate::{
    audit::Signature,
    caller::Caller,
    tokenry::Tokenry,
    user::{create, new_user},
    verify::{Rejection, VerifyError},
};

impl Tokenry {
    /// The user with this subject, whom a trusted proxy has authenticated; one who was never seen is made, with the
    /// least role, if `creates_users`. Whoever was disabled is not made again. It blocks the thread.
    ///
    /// SECURITY: it believes its caller, as [`vouch`](Self::vouch) does.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn named_by_proxy(
        &self,
        subject: &str,
        creates_users: bool,
        now: UnixMillis,
        origin: &Origin,
    ) -> Result<Caller, VerifyError> {
        let unknown = || VerifyError::Rejected(Rejection::Unknown);
        let subject = Subject::parse(subject).map_err(|_| unknown())?;
        let found = self.0.store.read(|tx| user::find_by_subject(tx, &subject))?;
        let user = match found {
            Some(user) => user,
            None if creates_users => self.make_named(subject, now, origin)?,
            None => return Err(unknown()),
        };
        self.vouch(user).ok_or_else(|| {
            let rejection = Rejection::OwnerDisabled;
            self.record_failure(rejection.code(), origin.ip, now);
            VerifyError::Rejected(rejection)
        })
    }

    fn make_named(&self, subject: Subject, now: UnixMillis, origin: &Origin) -> Result<User, VerifyError> {
        let unknown = || VerifyError::Rejected(Rejection::Unknown);
        let defect = |error: tokenry_crypto::RngError| StoreError::Bug(error.to_string());
        let id = UserId::new(now, SecretRng::os().bytes().map_err(defect)?);
        let text: String = subject.as_str().chars().take(UserName::MAX).collect();
        let name = UserName::parse(text).map_err(|_| unknown())?;
        let role = self.0.catalog.default_role();
        let signature = Signature { actor: Actor::User(id), at: now, origin: origin.clone() };
        let wanted = subject.clone();
        let made = self.0.store.write(move |tx| {
            if former::find(tx, &wanted)?.is_some_and(|former: Former| former.was_disabled) {
                return Ok(None);
            }
            former::readmit(tx, &wanted)?;
            let mut user = new_user(id, wanted, name, role, now);
            // No claim of before decides about them.
            user.claims_after = Some(now);
            create(tx, &user, &signature)?;
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
