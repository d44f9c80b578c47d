//! Sessions: rows and queries.

use diesel::prelude::*;
use tokenry_domain::{
    PublicId, Session, SessionDigest, SessionId, SessionProof, TokenId, UnixMillis, UserId,
};

use crate::{
    convert::{address, corrupt, parsed},
    error::StoreError,
    macros::{lock_rows, on},
    schema::sessions,
    sql_types::{IdValue, InstantValue},
    tx::Tx,
};

/// Inserts a session; [`StoreError::Conflict`] when its digest is taken or its user or token does not exist.
///
/// # Errors
/// [`StoreError`].
pub fn insert(tx: &mut Tx<'_>, session: &Session, digest: &SessionDigest) -> Result<(), StoreError> {
    let row = (SessionRow::from(session), sessions::secret_digest.eq(digest.as_bytes().to_vec()));
    on!(tx, |c| diesel::insert_into(sessions::table).values(&row).execute(c))?;
    Ok(())
}

/// The session whose secret has this digest, whatever its state.
///
/// # Errors
/// [`StoreError`].
pub fn find(tx: &mut Tx<'_>, digest: &SessionDigest) -> Result<Option<Session>, StoreError> {
    let query = sessions::table.filter(sessions::secret_digest.eq(digest.as_bytes().to_vec()));
    on!(tx, |c| query.select(SessionRow::as_select()).get_result(c).optional())?
        .map(Session::try_from)
        .transpose()
}

/// The session with this id.
///
/// # Errors
/// [`StoreError`].
pub fn find_by_id(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<Session>, StoreError> {
    let query = sessions::table.find(IdValue(id.uuid()));
    on!(tx, |c| query.select(SessionRow::as_select()).get_result(c).optional())?
        .map(Session::try_from)
        .transpose()
}

/// The sessions of a user, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn of_user(tx: &mut Tx<'_>, user_id: UserId) -> Result<Vec<Session>, StoreError> {
    let query = sessions::table.filter(sessions::user_id.eq(IdValue(user_id.uuid()))).order(sessions::id);
    let rows: Vec<SessionRow> = on!(tx, |c| query.select(SessionRow::as_select()).load(c))?;
    rows.into_iter().map(Session::try_from).collect()
}

/// The sessions that were started with a token, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn of_token(tx: &mut Tx<'_>, token_id: TokenId) -> Result<Vec<Session>, StoreError> {
    let query =
        sessions::table.filter(sessions::token_id.eq(Some(IdValue(token_id.uuid())))).order(sessions::id);
    let rows: Vec<SessionRow> = on!(tx, |c| query.select(SessionRow::as_select()).load(c))?;
    rows.into_iter().map(Session::try_from).collect()
}

/// The sessions that were started with one of these tokens, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn of_tokens(tx: &mut Tx<'_>, token_ids: &[TokenId]) -> Result<Vec<Session>, StoreError> {
    let ids: Vec<_> = token_ids.iter().map(|id| Some(IdValue(id.uuid()))).collect();
    let query = sessions::table.filter(sessions::token_id.eq_any(ids)).order(sessions::id);
    let rows: Vec<SessionRow> = on!(tx, |c| query.select(SessionRow::as_select()).load(c))?;
    rows.into_iter().map(Session::try_from).collect()
}

/// All sessions in the order of their ids, starting after `after`, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn page(tx: &mut Tx<'_>, after: Option<SessionId>, limit: u16) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<SessionRow> = on!(tx, |c| {
        let mut query = sessions::table.select(SessionRow::as_select()).into_boxed::<Db>();
        if let Some(after) = after {
            query = query.filter(sessions::id.gt(IdValue(after.uuid())));
        }
        query.order(sessions::id).limit(limit.into()).load(c)
    })?;
    rows.into_iter().map(Session::try_from).collect()
}

/// Records the last use of a session; an older use never overwrites a newer one.
///
/// # Errors
/// [`StoreError`].
pub fn mark_seen(tx: &mut Tx<'_>, id: SessionId, at: UnixMillis) -> Result<bool, StoreError> {
    let older = sessions::table
        .filter(sessions::id.eq(IdValue(id.uuid())))
        .filter(sessions::seen_at.lt(InstantValue(at)));
    let seen = sessions::seen_at.eq(InstantValue(at));
    Ok(on!(tx, |c| diesel::update(older).set(seen).execute(c))? == 1)
}

/// Deletes those of these sessions that still exist, and returns them; of concurrent units, only one deletes a session.
/// They are locked in the order of their ids and before the head of the audit chain, so that no deadlock can occur.
///
/// # Errors
/// [`StoreError`].
pub fn take(tx: &mut Tx<'_>, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
    let mut wanted: Vec<IdValue> = ids.iter().map(|id| IdValue(id.uuid())).collect();
    wanted.sort_unstable_by_key(|id| id.0);
    let mut taken = Vec::with_capacity(ids.len());
    for chunk in wanted.chunks(MAX_IDS) {
        take_chunk(tx, chunk, &mut taken)?;
    }
    Ok(taken)
}

/// Ids per statement; SQLite allows at most 32,766 parameters.
const MAX_IDS: usize = 10_000;

fn take_chunk(tx: &mut Tx<'_>, wanted: &[IdValue], taken: &mut Vec<SessionId>) -> Result<(), StoreError> {
    let wanted = wanted.to_vec();
    let query = sessions::table.filter(sessions::id.eq_any(wanted)).order(sessions::id).select(sessions::id);
    let found: Vec<IdValue> = lock_rows!(tx, query)?;
    let deleted = sessions::table.filter(sessions::id.eq_any(found.clone()));
    on!(tx, |c| diesel::delete(deleted).execute(c))?;
    taken.extend(found.into_iter().map(|IdValue(id)| SessionId::from_uuid(id)));
    Ok(())
}

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
struct SessionRow {
    id: IdValue,
    user_id: IdValue,
    credential: String,
    token_id: Option<IdValue>,
    token_public_id: Option<String>,
    max_role: Option<String>,
    created_at: InstantValue,
    seen_at: InstantValue,
    expires_at: InstantValue,
    ip: Option<String>,
    user_agent: Option<String>,
    provider: Option<String>,
}

/// The credential of a sign-in at a provider is stored as that of a JWT with a provider: a program from before providers
/// reads the row as such a session.
const JWT: &str = "jwt";

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        let (token, provider) = match &session.proof {
            SessionProof::Token { id, public_id } => {
                (Some((IdValue(id.uuid()), public_id.as_str().to_owned())), None)
            }
            SessionProof::Provider { id } => (None, Some(id.clone())),
            SessionProof::Jwt | SessionProof::Proxy => (None, None),
        };
        let credential = if provider.is_some() { JWT } else { session.proof.as_str() };
        let (token_id, token_public_id) = token.unzip();
        Self {
            id: IdValue(session.id.uuid()),
            user_id: IdValue(session.user_id.uuid()),
            credential: credential.to_owned(),
            token_id,
            token_public_id,
            max_role: session.max_role.as_ref().map(|role| role.as_str().to_owned()),
            created_at: InstantValue(session.created_at),
            seen_at: InstantValue(session.seen_at),
            expires_at: InstantValue(session.expires_at),
            ip: session.ip.map(|ip| ip.to_string()),
            user_agent: session.user_agent.clone(),
            provider,
        }
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        let proof = match (row.credential.as_str(), row.token_id, row.token_public_id, row.provider) {
            ("pat", Some(id), Some(public_id), None) => SessionProof::Token {
                id: TokenId::from_uuid(id.0),
                public_id: PublicId::from_stored(public_id),
            },
            (JWT, None, None, None) => SessionProof::Jwt,
            (JWT, None, None, Some(id)) => SessionProof::Provider { id },
            ("proxy", None, None, None) => SessionProof::Proxy,
            _ => return Err(corrupt("sessions.credential", "unknown kind")),
        };
        let max_role = row.max_role.map(|role| parsed("sessions.ceiling", &role)).transpose()?;
        Ok(Self {
            id: SessionId::from_uuid(row.id.0),
            user_id: UserId::from_uuid(row.user_id.0),
            proof,
            max_role,
            created_at: row.created_at.0,
            seen_at: row.seen_at.0,
            expires_at: row.expires_at.0,
            ip: address("sessions.ip", row.ip.as_deref())?,
            user_agent: row.user_agent,
        })
    }
}
