//! Checks whether the connected role may change the tables. The rights are queried instead of tried, since the server's
//! error is in its own language and does not name the role.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, sql_query,
    sql_types::{Array, Bool, Nullable, Text},
};

use super::MigrationStatus;
use crate::{database_errors::from_diesel, error::StoreError, tables::TABLES};

const ADVICE: &str = "run `tokenry migrate run` as the owner of the tables, then start again";

/// Fails if the role may not create tables in its schema or does not own the existing ones.
pub(super) fn check(connection: &mut PgConnection, steps: &[MigrationStatus]) -> Result<(), StoreError> {
    let role = Role::query(connection)?;
    let Some(lacking) = role.missing_right(connection)? else { return Ok(()) };
    let (name, path) = (&role.name, &role.search_path);
    let missing = steps.iter().filter(|step| !step.is_applied).count();
    Err(StoreError::Unusable(match missing == steps.len() {
        true => format!(
            "there are no tables of Tokenry where the role \"{name}\" looks for them (search_path {path}), and it may not \
             create them: {lacking}; {ADVICE}"
        ),
        false => format!(
            "{missing} of {} migrations are missing, and the role \"{name}\" may not apply them: {lacking}; {ADVICE}",
            steps.len()
        ),
    }))
}

#[derive(QueryableByName)]
struct Role {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    search_path: String,
    /// The schema of new tables; `None` when it may use no schema of its path.
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
    #[diesel(sql_type = Bool)]
    may_create: bool,
}

impl Role {
    fn query(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let query = "SELECT current_user::text AS name, current_setting('search_path') AS search_path, \
                     current_schema()::text AS schema, \
                     coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create";
        sql_query(query).get_result(connection).map_err(from_diesel)
    }

    /// The first right that it lacks.
    fn missing_right(&self, connection: &mut PgConnection) -> Result<Option<String>, StoreError> {
        let Some(schema) = &self.schema else {
            return Ok(Some("it lacks USAGE on each schema of that path".to_owned()));
        };
        if !self.may_create {
            return Ok(Some(format!("it lacks CREATE on the schema \"{schema}\"")));
        }
        let names: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
        let query = "SELECT relname::text AS name, pg_get_userbyid(relowner)::text AS owner \
                     FROM unnest($1) AS known JOIN pg_class ON pg_class.oid = to_regclass(known) \
                     WHERE NOT pg_has_role(relowner, 'USAGE') ORDER BY 1 LIMIT 1";
        let others: Vec<Table> =
            sql_query(query).bind::<Array<Text>, _>(names).load(connection).map_err(from_diesel)?;
        Ok(others.first().map(|Table { name, owner }| format!("the table {name} is owned by \"{owner}\"")))
    }
}

/// A table of another owner.
#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    owner: String,
}
