//! Output to standard output and standard error.

use std::{
    io::Cursor,
    sync::{Arc, Mutex},
};

use serde_json::json;

use super::*;

#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Closed(io::ErrorKind);

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a console of this kind writes to standard output and to standard error.
fn streams_after(
    format: Format,
    quiet: bool,
    input: &str,
    act: impl FnOnce(&mut Console),
) -> (String, String) {
    let (out, err) = (Stream::default(), Stream::default());
    let mut console = Console {
        input: Box::new(Cursor::new(input.to_owned())),
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        format,
        quiet,
        interactive: true,
    };
    act(&mut console);
    (out.text(), err.text())
}

fn view() -> View {
    View::one(
        vec![("ID", "7".to_owned()), ("Name", "ci\u{1b}[2J\nx".to_owned())],
        "7".to_owned(),
        json!({"id": 7}),
    )
}

#[test]
fn a_secret_is_alone_on_standard_output() {
    for (format, quiet, out, err) in [
        (Format::Table, false, "pat_x\n", "ID    7\nName  ci\\u{1b}[2J\\nx\n"),
        (Format::Table, true, "pat_x\n", ""),
        (Format::Name, false, "pat_x\n", "7\n"),
        (Format::Name, true, "pat_x\n", ""),
        (Format::Json, false, "{\n  \"id\": 7,\n  \"token\": \"pat_x\"\n}\n", ""),
        (Format::Json, true, "{\n  \"id\": 7,\n  \"token\": \"pat_x\"\n}\n", ""),
    ] {
        let streams = streams_after(format, quiet, "", |console| console.secret("pat_x", view()).unwrap());
        assert_eq!(streams, (out.to_owned(), err.to_owned()), "{format:?} {quiet}");
    }
}

#[test]
fn a_result_goes_to_standard_output_even_when_quiet() {
    let rows =
        vec![vec!["1".to_owned(), "a long name".to_owned()], vec!["22".to_owned(), "\u{202e}b".to_owned()]];
    let list =
        View::list(&["ID", "NAME"], rows, vec!["1".to_owned(), "2\n2".to_owned()], json!([1, "\u{9b}"]));
    for (format, out) in [
        (Format::Table, "ID  NAME\n1   a long name\n22  \\u{202e}b\n"),
        (Format::Json, "[\n  1,\n  \"\\u009b\"\n]\n"),
        (Format::Name, "1\n2\\n2\n"),
    ] {
        let act = |console: &mut Console| {
            console.answer(&list).unwrap();
            console.note("2 tokens");
        };
        assert_eq!(streams_after(format, true, "", act), (out.to_owned(), String::new()));
        assert_eq!(streams_after(format, false, "", act).1, "2 tokens\n");
    }
}

#[test]
fn the_result_of_a_change_is_omitted_when_quiet_unless_a_format_is_given() {
    for (format, quiet, is_written) in [
        (Format::Table, false, true),
        (Format::Table, true, false),
        (Format::Json, true, true),
        (Format::Name, true, true),
    ] {
        let (out, _) = streams_after(format, quiet, "", |console| console.outcome(&view()).unwrap());
        assert_eq!(!out.is_empty(), is_written, "{format:?} {quiet}");
    }
}

#[test]
fn an_error_is_one_line_or_a_problem_document() {
    let failure = CliError::not_found("no token 7\u{1b}").next("list them with `tokenry token list`");
    let fail = |console: &mut Console| assert_eq!(console.fail(&failure), ExitCode::from(5));
    let line = "tokenry: no token 7\\u{1b}; list them with `tokenry token list`\n";
    assert_eq!(streams_after(Format::Table, true, "", fail), (String::new(), line.to_owned()));
    let (out, err) = streams_after(Format::Json, false, "", fail);
    assert!(out.is_empty());
    let problem: Value = serde_json::from_str(&err).unwrap();
    let detail = "no token 7\u{1b}; list them with `tokenry token list`";
    let expected = json!({"type": "about:blank", "title": "Not found", "status": 404, "detail": detail, "code": "not_found"});
    assert_eq!(problem, expected);
}

#[test]
fn exit_statuses_are_the_documented_ones() {
    for (failure, status) in [
        (CliError::failed("internal_error", "x"), 1),
        (CliError::usage("x"), 2),
        (CliError::configuration(&[]), 2),
        (CliError::cancelled(), 3),
        (CliError::forbidden("x"), 4),
        (CliError::not_found("x"), 5),
        (CliError::no("malformed_token", "x"), 5),
    ] {
        assert_eq!(failure.exit() as u8, status, "{failure:?}");
    }
}

#[test]
fn only_y_and_yes_confirm() {
    for (input, yes, agreed) in [
        ("y\n", false, true),
        ("YES\n", false, true),
        ("\n", false, false),
        ("n\n", false, false),
        ("", false, false),
        ("", true, true),
    ] {
        let ask =
            |console: &mut Console| assert_eq!(console.confirm("Revoke?", yes).is_ok(), agreed, "{input:?}");
        let question = if yes { "" } else { "Revoke? [y/N] " };
        assert_eq!(streams_after(Format::Table, false, input, ask), (String::new(), question.to_owned()));
    }
}

#[test]
fn standard_input_over_its_limit_is_an_error() {
    streams_after(Format::Table, false, "12345", |console| assert_eq!(*console.read(5).unwrap(), "12345"));
    streams_after(Format::Table, false, "123456", |console| assert!(console.read(5).is_err()));
}

#[test]
fn a_closed_pipe_is_an_error_only_for_a_secret() {
    let console = |kind| Console {
        input: Box::new(Cursor::new("")),
        out: Box::new(Closed(kind)),
        err: Box::new(Stream::default()),
        format: Format::Table,
        quiet: false,
        interactive: false,
    };
    assert!(console(io::ErrorKind::BrokenPipe).answer(&view()).is_ok());
    assert!(console(io::ErrorKind::StorageFull).answer(&view()).is_err());
    assert!(console(io::ErrorKind::BrokenPipe).secret("pat_x", view()).is_err());
}
