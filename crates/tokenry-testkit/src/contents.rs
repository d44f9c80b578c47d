//! The whole content of a database, column by column, for tests that search it for plaintexts.

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::Text,
};

use crate::database::TestDatabase;

/// The values of one column, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `table.column`.
    pub name: String,
    /// One value for each row in which the column is not NULL.
    pub values: Vec<Vec<u8>>,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

enum Raw {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Raw {
    fn open(url: &str) -> Self {
        match url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).unwrap();
                sql_query("PRAGMA busy_timeout = 5000").execute(&mut connection).unwrap();
                Self::Sqlite(Box::new(connection))
            }
            None => Self::Postgres(Box::new(PgConnection::establish(url).unwrap())),
        }
    }

    fn lines(&mut self, query: &str) -> Vec<String> {
        let lines: Vec<Line> = match self {
            Self::Sqlite(connection) => sql_query(query).load(&mut **connection).unwrap(),
            Self::Postgres(connection) => sql_query(query).load(&mut **connection).unwrap(),
        };
        lines.into_iter().map(|line| line.line).collect()
    }

    /// A query for the name, the type and the table of each column of each table that the catalog of the database has.
    fn columns(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => {
                "SELECT t.name || '|' || c.name || '|' || c.type AS line \
                 FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1"
            }
            Self::Postgres(_) => {
                "SELECT format('%s|%s|%s', c.table_name, c.column_name, c.data_type) AS line \
                 FROM information_schema.columns c \
                 JOIN information_schema.tables t USING (table_schema, table_name) \
                 WHERE t.table_type = 'BASE TABLE' AND t.table_schema NOT IN ('pg_catalog', 'information_schema') \
                 ORDER BY 1"
            }
        }
    }

    fn values(&self, table: &str, column: &str, kind: &str) -> String {
        match self {
            Self::Sqlite(_) => format!(
                "SELECT hex(CAST(\"{column}\" AS BLOB)) AS line FROM \"{table}\" WHERE \"{column}\" IS NOT NULL"
            ),
            Self::Postgres(_) => {
                let bytes = match kind {
                    "bytea" => format!("\"{column}\""),
                    _ => format!("convert_to(\"{column}\"::text, 'UTF8')"),
                };
                format!(
                    "SELECT encode({bytes}, 'hex') AS line FROM \"{table}\" WHERE \"{column}\" IS NOT NULL"
                )
            }
        }
    }
}

impl TestDatabase {
    /// Every column of every table, as the database's own catalog lists them.
    ///
    /// # Panics
    /// When the database cannot be read.
    #[must_use]
    pub fn contents(&self) -> Vec<Column> {
        let mut raw = Raw::open(self.url());
        let query = raw.columns();
        raw.lines(query)
            .into_iter()
            .map(|line| {
                let parts: Vec<_> = line.split('|').collect();
                let [table, column, kind] = parts.as_slice() else { panic!("{line}") };
                let query = raw.values(table, column, kind);
                let values = raw.lines(&query).iter().map(|hex| bytes(hex)).collect();
                Column { name: format!("{table}.{column}"), values }
            })
            .collect()
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}
