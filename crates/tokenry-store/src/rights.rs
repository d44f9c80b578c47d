//! The rights of the connected PostgreSQL role.

#[cfg(feature = "postgres")]
use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{Array, Bool, Text},
};

#[cfg(feature = "postgres")]
use crate::{database_errors::from_diesel, tables::TABLES};
use crate::{error::StoreError, store::Store, tx::AnyConnection};

/// A PostgreSQL role, compared with the rights that a running server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleRights {
    /// Its name.
    pub role: String,
    /// The rights it lacks, such as `INSERT on audit_events`.
    pub missing: Vec<String>,
    /// Whether it may change or remove entries of the audit log.
    pub rewrites_log: bool,
}

impl Store {
    /// The rights of the connected role; `None` on SQLite, where access to the file grants all rights.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn role_rights(&self) -> Result<Option<RoleRights>, StoreError> {
        self.read(|tx| match &mut tx.0 {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(c) => {
                let (tables, rights): (Vec<&str>, Vec<&str>) = TABLES
                    .iter()
                    .flat_map(|(table, rights)| rights.names().iter().map(|right| (*table, *right)))
                    .unzip();
                let missing = "SELECT format('%s on %s', needed, name) AS text \
                               FROM unnest($1, $2) AS known (name, needed) \
                               JOIN pg_class ON pg_class.oid = to_regclass(name) \
                               WHERE NOT has_table_privilege(pg_class.oid, needed) ORDER BY name, needed";
                let missing: Vec<Missing> = sql_query(missing)
                    .bind::<Array<Text>, _>(tables)
                    .bind::<Array<Text>, _>(rights)
                    .load(&mut **c).map_err(from_diesel)?;
                let role = "SELECT current_user::text AS name, \
                            coalesce(has_table_privilege(to_regclass('audit_events'), 'UPDATE, DELETE, TRUNCATE'), false) \
                            AS rewrites_log";
                let Role { name, rewrites_log } = sql_query(role).get_result(&mut **c).map_err(from_diesel)?;
                let missing = missing.into_iter().map(|missing| missing.text).collect();
                Ok(Some(RoleRights { role: name, missing, rewrites_log }))
            }
        })
    }
}

#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
struct Missing {
    #[diesel(sql_type = Text)]
    text: String,
}

#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
struct Role {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    rewrites_log: bool,
}
