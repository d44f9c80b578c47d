//! The authenticated caller of a use case.

use tokenry_domain::{
    Actor, Catalog, ClientInfo, EffectivePermissions, Role, Scope, Session, Token, UnixMillis, User, UserId,
    setters,
};

use crate::{denial::Denial, verified::VerifiedToken};

/// One request: its caller, instant and client.
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestContext {
    /// The authenticated caller.
    pub caller: Caller,
    /// The instant that every rule of this request is decided at.
    pub now: UnixMillis,
    /// The client, for the audit log.
    pub client: ClientInfo,
}

impl RequestContext {
    /// A request from an unknown client.
    #[must_use]
    pub fn new(caller: Caller, now: UnixMillis) -> Self {
        Self { caller, now, client: ClientInfo::default() }
    }

    setters! { with_caller(caller: Caller), with_now(now: UnixMillis), with_client(client: ClientInfo) }
}

/// An authenticated caller. Only [`Tokenry::verify`](crate::Tokenry::verify) creates one from a token and
/// [`Tokenry::session`](crate::Tokenry::session) one from a session; an embedding program creates one for a user it has
/// authenticated itself ([`Tokenry::caller_for_user`](crate::Tokenry::caller_for_user)); an operator has access to the
/// command line on the machine of the database, and only [`unrestricted`](crate::unrestricted) creates it.
#[derive(Clone)]
pub struct Caller(Kind);

#[derive(Clone)]
enum Kind {
    Operator,
    User(Box<SignedInUser>),
    Token(VerifiedToken),
}

/// A user who authenticated without presenting a token.
#[derive(Clone)]
pub(crate) struct SignedInUser {
    pub(crate) user: User,
    pub(crate) effective: EffectivePermissions,
    pub(crate) credential: CredentialKind,
    /// The role that a JWT claimed, if its issuer decides about roles: an upper bound on their permissions.
    pub(crate) max_role: Option<Role>,
    /// The session of the request.
    pub(crate) session: Option<Session>,
    /// The token that started the session and limits it.
    pub(crate) token: Option<Token>,
}

/// How a caller authenticated. Exhaustive, so that each consumer decides what a new kind may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// Access to the command line on the database's machine.
    Operator,
    /// A sign-in asserted by the embedding program or a trusted proxy.
    User,
    /// A JWT of a configured issuer.
    Jwt,
    /// A session, started with one of the others.
    Session,
    /// A personal access token.
    Token,
}

impl Caller {
    /// Only [`crate::unrestricted`] creates this caller.
    pub(crate) fn unrestricted() -> Self {
        Self(Kind::Operator)
    }

    pub(crate) fn signed_in(user: SignedInUser) -> Self {
        Self(Kind::User(Box::new(user)))
    }

    /// How the caller authenticated.
    #[must_use]
    pub fn credential(&self) -> CredentialKind {
        match &self.0 {
            Kind::Operator => CredentialKind::Operator,
            Kind::User(person) => person.credential,
            Kind::Token(_) => CredentialKind::Token,
        }
    }

    /// The user on whose behalf the request is made; `None` for an operator.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match &self.0 {
            Kind::Operator => None,
            Kind::User(person) => Some(&person.user),
            Kind::Token(verified) => Some(verified.owner()),
        }
    }

    /// The token that limits this caller, if there is one: the presented token, or the one that started their session.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match &self.0 {
            Kind::Operator => None,
            Kind::User(person) => person.token.as_ref(),
            Kind::Token(verified) => Some(verified.token()),
        }
    }

    /// The verified token, if one was presented; `None` for a session, whatever started it.
    #[must_use]
    pub fn verified(&self) -> Option<&VerifiedToken> {
        match &self.0 {
            Kind::Token(verified) => Some(verified),
            Kind::Operator | Kind::User(_) => None,
        }
    }

    /// The session, if the request came with one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.0 {
            Kind::User(person) => person.session.as_ref(),
            Kind::Operator | Kind::Token(_) => None,
        }
    }

    /// The role that a JWT claimed for them, if its issuer decides about roles.
    pub(crate) fn max_role(&self) -> Option<&Role> {
        match &self.0 {
            Kind::User(person) => person.max_role.as_ref(),
            Kind::Operator | Kind::Token(_) => None,
        }
    }

    /// The actor of audit entries for changes by this caller.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.0 {
            Kind::Operator => Actor::Operator,
            Kind::User(person) => match &person.token {
                Some(token) => Actor::Token(token.id),
                None => Actor::User(person.user.id),
            },
            Kind::Token(verified) => Actor::Token(verified.token().id),
        }
    }

    /// The permissions of this caller; `None` for an operator, who needs none.
    #[must_use]
    pub fn effective(&self) -> Option<&EffectivePermissions> {
        match &self.0 {
            Kind::Operator => None,
            Kind::User(person) => Some(&person.effective),
            Kind::Token(verified) => Some(verified.effective()),
        }
    }

    /// Rejects a caller without this scope, and one who presented a retired secret: within its grace a retired secret
    /// is valid for use, but not for reading or changing tokens and users.
    ///
    /// # Errors
    /// [`Denial::Retired`], [`Denial::MissingScopes`].
    pub fn require(&self, scope: &Scope) -> Result<(), Denial> {
        self.require_current()?;
        self.require_for_use(scope)
    }

    /// Rejects a caller who presented a retired secret.
    ///
    /// # Errors
    /// [`Denial::Retired`].
    pub fn require_current(&self) -> Result<(), Denial> {
        match &self.0 {
            Kind::Token(verified) if verified.is_retired() => Err(Denial::Retired),
            _ => Ok(()),
        }
    }

    /// Rejects a caller without this scope, for routes that a program guards with tokens: a retired secret is valid
    /// there within its grace.
    ///
    /// # Errors
    /// [`Denial::MissingScopes`].
    pub fn require_for_use(&self, scope: &Scope) -> Result<(), Denial> {
        match self.effective() {
            None => Ok(()),
            Some(effective) if effective.grants(scope) => Ok(()),
            Some(_) => Err(Denial::missing(scope)),
        }
    }

    /// Whether the caller may manage the tokens of this user: their own, or any for an operator.
    pub(crate) fn may_manage(&self, owner: UserId) -> bool {
        self.user().is_none_or(|user| user.id == owner)
    }

    /// Rejects the assignment of a role, or the enabling of a user with a role, that allows more than the caller may do.
    pub(crate) fn may_assign(&self, catalog: &Catalog, role: &Role) -> Result<(), Denial> {
        match self.effective() {
            Some(rights) if !catalog.covers(rights, role) => Err(Denial::beyond_own_role(role)),
            _ => Ok(()),
        }
    }
}

impl From<VerifiedToken> for Caller {
    fn from(verified: VerifiedToken) -> Self {
        Self(Kind::Token(verified))
    }
}
