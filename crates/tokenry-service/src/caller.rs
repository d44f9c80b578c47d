//! Who asks for something, proven before a use case is reached.

use tokenry_domain::{
    Actor, Catalog, ClientInfo, EffectivePermissions, Role, Scope, Session, Token, UnixMillis, User, UserId,
};

use crate::{denial::Denial, verified::VerifiedToken};

/// One request: who asks, when, and from where.
#[derive(Clone)]
pub struct RequestContext {
    /// Who asks.
    pub caller: Caller,
    /// The instant that every rule of this request is decided at.
    pub now: UnixMillis,
    /// From where, for the audit log.
    pub client: ClientInfo,
}

impl RequestContext {
    /// A call whose origin is not known.
    #[must_use]
    pub fn new(caller: Caller, now: UnixMillis) -> Self {
        Self { caller, now, client: ClientInfo::default() }
    }
}

/// Someone who may ask. Only [`Tokenry::verify`](crate::Tokenry::verify) makes one of a token and [`Tokenry::session`](crate::Tokenry::session) one of a session; an
/// embedding program makes one of a user it has authenticated itself ([`Tokenry::caller_for_user`](crate::Tokenry::caller_for_user)); an operator is someone at the
/// database's own command line.
#[derive(Clone)]
pub struct Caller(Kind);

#[derive(Clone)]
enum Kind {
    Operator,
    User(Box<Person>),
    Token(VerifiedToken),
}

/// Somebody who came without presenting a token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) effective: EffectivePermissions,
    pub(crate) credential: CredentialKind,
    /// The role that a JWT claimed, if its issuer has a say: they are never more than that.
    pub(crate) max_role: Option<Role>,
    /// The session they came with.
    pub(crate) session: Option<Session>,
    /// The token that this session was begun with and is bound by.
    pub(crate) token: Option<Token>,
}

/// The kind of proof a caller came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// Access to the database's own machine.
    Operator,
    /// A sign-in that the embedding program vouches for.
    User,
    /// A JWT of a configured issuer.
    Jwt,
    /// A session that one of these was exchanged for.
    Session,
    /// A personal access token.
    Token,
}

impl Caller {
    /// The operator of the installation, who has every right: policy and roles still apply, scopes do not.
    ///
    /// SECURITY: **this bypasses authorization.** Nothing is checked, and every user's tokens can be read, created and
    /// revoked. Use it only for work that no request asked for: a command line on the database's own machine, a
    /// scheduled cleanup, setup at start, tests. For a request, use the caller that [`Tokenry::verify`],
    /// [`Tokenry::session`] or [`Tokenry::caller_for_user`] returns.
    #[must_use]
    pub fn operator() -> Self {
        Self(Kind::Operator)
    }

    pub(crate) fn person(person: Person) -> Self {
        Self(Kind::User(Box::new(person)))
    }

    /// The kind of proof.
    #[must_use]
    pub fn credential(&self) -> CredentialKind {
        match &self.0 {
            Kind::Operator => CredentialKind::Operator,
            Kind::User(person) => person.credential,
            Kind::Token(_) => CredentialKind::Token,
        }
    }

    /// The user on whose behalf the call is made; none for an operator.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match &self.0 {
            Kind::Operator => None,
            Kind::User(person) => Some(&person.user),
            Kind::Token(verified) => Some(verified.owner()),
        }
    }

    /// The token that binds this caller, if there is one: the one that was presented, or that their session was begun
    /// with.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match &self.0 {
            Kind::Operator => None,
            Kind::User(person) => person.token.as_ref(),
            Kind::Token(verified) => Some(verified.token()),
        }
    }

    /// The verified token, if one was presented; a session is none, whatever it was begun with.
    #[must_use]
    pub fn verified(&self) -> Option<&VerifiedToken> {
        match &self.0 {
            Kind::Token(verified) => Some(verified),
            Kind::Operator | Kind::User(_) => None,
        }
    }

    /// The session, if it was one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.0 {
            Kind::User(person) => person.session.as_ref(),
            Kind::Operator | Kind::Token(_) => None,
        }
    }

    /// The role that a JWT claimed for them, if its issuer has a say.
    pub(crate) fn max_role(&self) -> Option<&Role> {
        match &self.0 {
            Kind::User(person) => person.max_role.as_ref(),
            Kind::Operator | Kind::Token(_) => None,
        }
    }

    /// How changes made by this caller are signed.
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

    /// The rights of this caller now; none are listed for an operator, who needs none.
    #[must_use]
    pub fn effective(&self) -> Option<&EffectivePermissions> {
        match &self.0 {
            Kind::Operator => None,
            Kind::User(person) => Some(&person.effective),
            Kind::Token(verified) => Some(verified.effective()),
        }
    }

    /// Refuses a caller without this right, and one who came with a secret that was rotated: whoever has only the old
    /// secret uses it until its grace ends, and neither sees nor changes anything of tokens and users.
    ///
    /// # Errors
    /// [`Denial::Retired`], [`Denial::MissingScopes`].
    pub fn require(&self, scope: &Scope) -> Result<(), Denial> {
        self.require_current()?;
        self.require_for_use(scope)
    }

    /// Refuses a caller who came with a secret that was rotated.
    ///
    /// # Errors
    /// [`Denial::Retired`].
    pub fn require_current(&self) -> Result<(), Denial> {
        match &self.0 {
            Kind::Token(verified) if verified.is_retired() => Err(Denial::Retired),
            _ => Ok(()),
        }
    }

    /// Refuses a caller without this right, for what a program guards with tokens: an old secret is good for it within
    /// its grace.
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

    /// Whether the tokens of this user are the caller's own business.
    pub(crate) fn may_manage(&self, owner: UserId) -> bool {
        self.user().is_none_or(|user| user.id == owner)
    }

    /// Refuses to give a role, or to wake one, that allows more than the caller may do.
    pub(crate) fn may_give(&self, catalog: &Catalog, role: &Role) -> Result<(), Denial> {
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
