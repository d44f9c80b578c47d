//! The database that the binary uses, whatever its environment.

use std::collections::BTreeMap;

use tokenry_testkit::FakeServer;

use crate::folder::Folder;

#[test]
fn variables_of_libpq_change_neither_the_database_nor_a_setting() {
    let (ours, theirs) = (FakeServer::open(None), FakeServer::open(None));
    let folder = Folder::new();
    let other = theirs.port().to_string();
    let service = format!(
        "[other]\nhost=127.0.0.1\nhostaddr=127.0.0.1\nport={other}\ndbname=other\noptions=-c other=1\n\
         application_name=other\nclient_encoding=LATIN1\ntarget_session_attrs=standby\nreplication=database\n"
    );
    std::fs::write(folder.path("services"), service).expect("a file");
    let environment = [
        ("PGHOST", "127.0.0.1"),
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGPORT", &other),
        ("PGDATABASE", "other"),
        ("PGSERVICE", "other"),
        ("PGSERVICEFILE", "services"),
        ("PGOPTIONS", "-c other=1"),
        ("PGAPPNAME", "other"),
        ("PGCLIENTENCODING", "LATIN1"),
        ("PGTARGETSESSIONATTRS", "standby"),
        ("PGREQUIRESSL", "1"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLNEGOTIATION", "direct"),
        ("PGCHANNELBINDING", "require"),
        ("PGGSSENCMODE", "prefer"),
        ("PGMINPROTOCOLVERSION", "3.2"),
        ("PGLOADBALANCEHOSTS", "random"),
    ];
    let run = |parameters: &str| {
        let url = format!("postgres://me@127.0.0.1:{}/{parameters}", ours.port());
        let output = folder.tokenry().args(["doctor", "--database-url", &url]).envs(environment).output();
        String::from_utf8(output.expect("the binary starts").stdout).expect("UTF-8")
    };
    for (parameters, database) in [("tokens", "tokens"), ("", "me"), ("?sslmode=disable", "me")] {
        let output = run(parameters);
        assert!(output.contains("FAILED  database") && output.contains("read-only"), "{output}");
        let visits = ours.received();
        assert!(!visits.is_empty(), "{output}");
        for visit in visits {
            let asked = [
                ("application_name", "tokenry"),
                ("client_encoding", "UTF8"),
                ("database", database),
                ("user", "me"),
            ];
            let asked = asked.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(visit.parameters, BTreeMap::from(asked));
        }
    }
    assert_eq!(theirs.received(), []);
}

#[test]
fn every_command_rejects_a_file_that_is_not_a_database_of_tokenry() {
    let folder = Folder::new();
    for (bytes, expected) in [("", "an empty file"), ("not a database", "not a SQLite database")] {
        std::fs::write(folder.path("tokenry.db"), bytes).expect("a file");
        for line in ["serve", "user list", "migrate run", "migrate status"] {
            let (code, error) = folder.failure(line);
            assert_eq!(code, 1, "{line}: {error}");
            assert!(error.contains(expected) && !error.contains("defect"), "{line}: {error}");
        }
        let (_, table, _) = folder.end("doctor");
        assert!(table.contains("FAILED  database") && table.contains(expected), "{table}");
        assert_eq!(std::fs::read(folder.path("tokenry.db")).expect("the file"), bytes.as_bytes());
    }
}
