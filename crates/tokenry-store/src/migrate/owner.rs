//! Whether the role that is connected may change the tables. It is asked for and not tried, since the server tells what is
//! missing in its own language and without the role.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, sql_query,
    sql_types::{Array, Bool, Nullable, Text},
};

use super::Step;
use crate::{error::StoreError, tables::TABLES};

const NEXT: &str = "run `tokenry migrate run` as the owner of the tables, then start again";

/// Refuses a role that may make no table in its schema or is not the owner of those there are.
pub(super) fn demand(connection: &mut PgConnection, steps: &[Step]) -> Result<(), StoreError> {
    let role = Role::ask(connection)?;
    let Some(lacking) = role.lacks(connection)? else { return Ok(()) };
    let (name, path) = (&role.name, &role.search_path);
    let missing = steps.iter().filter(|step| !step.is_applied).count();
    Err(StoreError::Unusable(match missing == steps.len() {
        true => format!(
            "there are no tables of Tokenry where the role \"{name}\" looks for them (search_path {path}), and it may not \
             make them: {lacking}; {NEXT}"
        ),
        false => format!(
            "{missing} of {} migrations are missing, and the role \"{name}\" may not make them: {lacking}; {NEXT}",
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
    /// Where new tables go; `None` when it may use no schema of its path.
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
    #[diesel(sql_type = Bool)]
    may_create: bool,
}

impl Role {
    fn ask(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let query = "SELECT current_user::text AS name, current_setting('search_path') AS search_path, \
                     current_schema()::text AS schema, \
                     coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create";
        Ok(sql_query(query).get_result(connection)?)
    }

    /// The right that it lacks.
    fn lacks(&self, connection: &mut PgConnection) -> Result<Option<String>, StoreError> {
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
        let others: Vec<Table> = sql_query(query).bind::<Array<Text>, _>(names).load(connection)?;
        let told = |Table { name, owner }: &Table| format!("the table {name} is owned by \"{owner}\"");
        Ok(others.first().map(told))
    }
}

/// A table of somebody else.
#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    owner: String,
}
