//! Outputs that cannot be written to.

use std::{
    fs::File,
    io::{PipeReader, PipeWriter, pipe},
    process::{Command, Stdio},
};

use tokenry_testkit::{TestDatabase, each_backend};

use crate::server::{Server, configure, tokenry};

/// Sends parallel requests: all are answered, and every acknowledged token works.
fn works_under_load(server: &Server) {
    let made: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    (0..15)
                        .map(|n| {
                            (0..20)
                                .for_each(|_| assert_eq!(server.ask("GET", "/healthz", "").unwrap().0, 200));
                            server.create(&format!("t{thread}-{n}")).expect("an answer that it was made")
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.len(), 60);
    for secret in &made {
        assert_eq!(server.ask_as(secret, "GET", "/api/v1/token", "").unwrap().0, 200);
    }
    let (status, body) = server.ask("GET", "/readyz", "").unwrap();
    assert_eq!(status, 200, "{body}");
}

fn log_check(server: &Server) -> String {
    let (_, body) = server.ask("GET", "/readyz", "").unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let checks = body["checks"].as_array().unwrap();
    let log = checks.iter().find(|check| check["name"] == "log").unwrap();
    log["state"].as_str().unwrap().to_owned()
}

fn broken_pipe() -> PipeWriter {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer
}

each_backend!(a_log_whose_reader_is_gone_loses_only_log_lines, |db| {
    let mut server = Server::logging(db.url(), "trace", broken_pipe());
    works_under_load(&server);
    assert_eq!(log_check(&server), "warning");
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
});

each_backend!(a_log_whose_reader_leaves_under_load_loses_only_log_lines, |db| {
    let (reader, writer) = pipe().unwrap();
    let server = Server::logging(db.url(), "info", writer);
    assert_eq!(log_check(&server), "ok");
    std::thread::scope(|scope| {
        let load = scope.spawn(|| works_under_load(&server));
        drop::<PipeReader>(reader);
        load.join().unwrap();
    });
    assert_eq!(log_check(&server), "warning");
});

each_backend!(a_log_on_a_full_disk_loses_only_log_lines, |db| {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut server = Server::logging(db.url(), "info", full);
    works_under_load(&server);
    assert_eq!(log_check(&server), "warning");
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
});

each_backend!(a_log_without_a_reader_loses_only_log_lines, |db| {
    let (_reader, writer) = pipe().unwrap();
    let mut server = Server::logging(db.url(), "trace", writer);
    works_under_load(&server);
    works_under_load(&server);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
});

each_backend!(a_server_starts_and_works_with_all_outputs_closed, |db| {
    let url = db.url();
    let server = Server::start(url, |folder, address| {
        let mut command = Command::new("sh");
        configure(&mut command, folder, url);
        let script = "exec \"$0\" serve --listen \"$1\" <&- >&- 2>&-";
        command.args(["-c", script, env!("CARGO_BIN_EXE_tokenry"), address]);
        command
    });
    works_under_load(&server);
    // No file opened later reuses the descriptor of a closed output.
    for fd in ["fd/0", "fd/1", "fd/2"] {
        if let Ok(path) = std::fs::read_link(server.proc(fd)) {
            assert_eq!(path.to_str(), Some("/dev/null"), "{fd}");
        }
    }
});

#[test]
fn the_first_token_is_in_its_file_when_standard_output_is_closed_or_has_no_reader() {
    for is_full in [false, true] {
        let db = TestDatabase::sqlite();
        let url = db.url().to_owned();
        let (reader, mut writer) = pipe().unwrap();
        let _reader = is_full.then(|| fill(&mut writer, reader));
        let server = Server::start(&url, |folder, address| {
            let mut command = tokenry(folder, &url);
            command.args(["serve", "--listen", address]).stdout(writer).stderr(Stdio::null());
            command
        });
        assert_eq!(server.ask("GET", "/api/v1/me", "").unwrap().0, 200);
    }
}

each_backend!(a_server_starts_with_full_outputs_that_have_no_reader, |db| {
    let ((out_reader, mut out), (err_reader, mut err)) = (pipe().unwrap(), pipe().unwrap());
    let _readers = (fill(&mut out, out_reader), fill(&mut err, err_reader));
    let url = db.url();
    let mut server = Server::start(url, |folder, address| {
        let mut command = tokenry(folder, url);
        command.args(["serve", "--listen", address]).stdout(out).stderr(err);
        command
    });
    works_under_load(&server);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
});

/// Fills the pipe with the default capacity of Linux.
fn fill(writer: &mut PipeWriter, reader: PipeReader) -> PipeReader {
    use std::io::Write;
    writer.write_all(&[b'x'; 65536]).unwrap();
    reader
}

#[test]
fn no_command_panics_when_its_outputs_are_closed_or_full() {
    let db = TestDatabase::sqlite();
    let folder = db.folder().unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let lines = [
        "token list",
        "user list",
        "audit list",
        "audit verify",
        "doctor",
        "--help",
        "token list --wrong",
        "openapi",
        "completions bash",
        "token show 0",
        "migrate status",
        "cleanup",
        "check -",
    ];
    for line in lines {
        for filter in ["trace", "error"] {
            let run = |out: Stdio, err: Stdio| {
                let mut command = tokenry(&folder, db.url());
                command.args(line.split(' ')).env("TOKENRY_LOG", filter).stdout(out).stderr(err);
                command.status().unwrap().code()
            };
            let codes = [
                run(broken_pipe().into(), broken_pipe().into()),
                run(full().into(), full().into()),
                run(broken_pipe().into(), full().into()),
            ];
            // 101 is a panic; no code is a signal.
            assert!(codes.iter().all(|code| code.is_some_and(|code| code <= 5)), "{line}: {codes:?}");
        }
    }
}
