//! Searches standard input, files, and folders by several threads.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use ignore::{DirEntry, WalkBuilder, WalkState};
use zeroize::Zeroizing;

use super::{
    finder::{Finder, Found},
    finding::{Finding, Findings, Location},
    search::{Searched, search},
};

/// Searches standard input to its end.
pub(super) fn search_input(input: impl Read, finder: &Finder, findings: &Findings) {
    search_stream("-", Ok(input), &mut Vec::new(), finder, findings);
}

/// Searches these files, and all files below these folders.
pub(super) fn search_paths(
    paths: &[&PathBuf],
    respect_gitignore: bool,
    finder: &Finder,
    findings: &Findings,
) {
    let Some((first, others)) = paths.split_first() else { return };
    let mut walk = WalkBuilder::new(first);
    others.iter().for_each(|path| {
        walk.add(path);
    });
    walk.standard_filters(false);
    walk.git_ignore(respect_gitignore).git_exclude(respect_gitignore).ignore(respect_gitignore);
    // The rules of a folder above also apply, whether or not it is a repository.
    walk.parents(respect_gitignore).require_git(false);
    walk.build_parallel().run(|| {
        let mut buffer = Vec::new();
        Box::new(move |entry| {
            match entry {
                Ok(entry) => visit(&entry, &mut buffer, finder, findings),
                Err(error) => add_error(finder.redact(&error.to_string()), findings),
            }
            WalkState::Continue
        })
    });
}

fn visit(entry: &DirEntry, buffer: &mut Vec<u8>, finder: &Finder, findings: &Findings) {
    let path = entry.path();
    let shown = finder.redact(&path.to_string_lossy());
    // The path that was given is not searched as a text: whoever typed it knows it.
    if entry.depth() > 0 {
        search_name(entry, &shown, finder, findings);
    }
    // A link that was given is followed, and a device or pipe that was given is read; those below are not.
    let is_searched = match entry.depth() {
        0 => fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()),
        _ => entry.file_type().is_some_and(|kind| kind.is_file()),
    };
    if is_searched {
        search_stream(&shown, File::open(path), buffer, finder, findings);
    }
}

/// Searches the name of a file or folder.
fn search_name(entry: &DirEntry, shown: &str, finder: &Finder, findings: &Findings) {
    let name = entry.file_name().as_encoded_bytes();
    let mut from = 0;
    while let Some(Found { range, shown: token }) = finder.find(name, from, name.len()) {
        from = range.end;
        let text = name.get(range).unwrap_or_default();
        add(Location { path: shown.to_owned(), line: None }, text, token, findings);
    }
}

fn search_stream(
    shown: &str,
    stream: io::Result<impl Read>,
    buffer: &mut Vec<u8>,
    finder: &Finder,
    findings: &Findings,
) {
    let searched = stream.and_then(|stream| {
        search(stream, buffer, finder, |line, text, token| {
            add(Location { path: shown.to_owned(), line: Some(line) }, text, token, findings);
        })
    });
    match searched {
        Ok(Searched::Text(bytes)) => findings.change(|report| {
            report.files += 1;
            report.bytes += bytes;
        }),
        Ok(Searched::Binary) => findings.change(|report| report.skipped_binary += 1),
        Err(error) => add_error(format!("{shown}: {error}"), findings),
    }
}

fn add(location: Location, text: &[u8], shown: String, findings: &Findings) {
    let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    findings.change(|report| report.found.push(Finding { location, shown, text, status: None }));
}

fn add_error(error: String, findings: &Findings) {
    findings.change(|report| report.errors.push(error));
}

/// Whether a path stands for standard input.
pub(super) fn is_input(path: &Path) -> bool {
    path == Path::new("-")
}
