//! The journal of a node: a file with what it remembers, so that a restart between a loss and its repair forgets nothing.
//!
//! One line of JSON per change, appended and synced by a thread of its own. An acknowledgement does not wait for it: each
//! change would be as slow as the slowest disk of all nodes, and a disk that hangs would take the lease of its node. So a
//! change is missing here only if the process is killed within the milliseconds until its line is written, or the machine
//! loses power before it is synced; the other nodes remember it all the same.
//!
//! A line without its end is what a crash left of it, and is dropped. Any other line that cannot be read means that the
//! file is damaged or not a journal; it is refused, since what it says may be what the database has lost.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokenry_domain::{EventKind, TokenId, UserId};
use uuid::Uuid;

use super::{history::History, locked, memory::Memory};
use crate::{
    error::StoreError,
    history::{JournalState, RememberedChange},
    instance::ChainHead,
    steady_clock as clock,
    supervisor::Stop,
};

/// The first line of every journal.
const HEADER: &str = "{\"tokenry\":\"journal\",\"format\":1}";
/// How long the thread waits for something to write before it looks after the lock and after failures.
const TICK: Duration = Duration::from_secs(1);
/// A file below this size is not rewritten.
const MIN_REWRITE: u64 = 256 << 10;
/// The largest file that is read.
const MAX_READ: u64 = 128 << 20;

/// The file.
pub(super) struct Journal {
    path: PathBuf,
    /// Held while this process writes, so that two processes with the same settings do not replace each other's file.
    lock: Option<File>,
    file: Option<File>,
    /// The bytes of the file, and those after it was last rewritten.
    bytes: u64,
    rewritten: u64,
    /// What of the memory is written.
    written: (u64, u64),
    has_failed: bool,
}

impl Journal {
    /// Reads what a former process remembered. The file may be missing.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if there is a file that cannot be read or is damaged.
    pub(super) fn read(path: &Path, history: &mut History) -> Result<Self, StoreError> {
        match fs::metadata(path).and_then(|found| match found.len() > MAX_READ {
            true => Err(io::Error::from(ErrorKind::FileTooLarge)),
            false => fs::read(path),
        }) {
            Ok(content) => parse(&content, history).map_err(|why| unusable(path, &why))?,
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(unusable(path, &error.to_string())),
        }
        let (file, lock, written) = (None, None, (0, 0));
        Ok(Self { path: path.to_owned(), lock, file, bytes: 0, rewritten: 0, written, has_failed: false })
    }

    /// Writes what the node remembers, until a stop is requested.
    pub(super) fn run(&mut self, memory: &Memory, stop: &Stop) {
        loop {
            let is_stopped = stop.is_requested();
            let state = match self.write(memory) {
                Ok(state) => state,
                Err(error) => {
                    // The next attempt begins with a new file.
                    self.file = None;
                    if !std::mem::replace(&mut self.has_failed, true) {
                        tracing::error!(path = %self.path.display(), %error, "the journal cannot be written");
                    }
                    JournalState::Failed
                }
            };
            if state == JournalState::Written && std::mem::take(&mut self.has_failed) {
                tracing::info!(path = %self.path.display(), "the journal is written again");
            }
            memory.set_journal_state(state);
            if is_stopped {
                return;
            }
            match state {
                JournalState::Written => memory.wait_for_changes(self.written, TICK),
                _ => drop(stop.wait(TICK)),
            }
        }
    }

    fn write(&mut self, memory: &Memory) -> io::Result<JournalState> {
        if self.lock.is_none() {
            match lock(&self.path)? {
                Some(lock) => self.lock = Some(lock),
                None => return Ok(JournalState::Locked),
            }
        }
        let (version, lines) = {
            let history = locked(&memory.history);
            match &self.file {
                Some(_) if history.version().0 == self.written.0 => {
                    (history.version(), Some(lines(history.added_after(self.written.1))))
                }
                _ => (history.version(), None),
            }
        };
        if let (Some(file), Some(lines)) = (&mut self.file, lines)
            && self.bytes <= MIN_REWRITE.max(self.rewritten * 2)
        {
            if !lines.is_empty() {
                file.write_all(lines.as_bytes())?;
                file.sync_data()?;
                self.bytes += lines.len() as u64;
            }
            self.written = version;
            return Ok(JournalState::Written);
        }
        self.rewrite(memory)?;
        Ok(JournalState::Written)
    }

    /// Replaces the file by one with what is still remembered.
    fn rewrite(&mut self, memory: &Memory) -> io::Result<()> {
        let (version, content) = {
            let mut history = locked(&memory.history);
            history.forget_old(clock::steady_now());
            let base = history.base().map(|base| position(base) + "\n").unwrap_or_default();
            (history.version(), format!("{HEADER}\n{base}{}", lines(history.added_after(0))))
        };
        let new = with_suffix(&self.path, ".new");
        let _ = fs::remove_file(&new);
        let mut file = private(OpenOptions::new().create_new(true)).open(&new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(folder(&self.path)).and_then(|folder| folder.sync_all())?;
        self.file = Some(file);
        (self.bytes, self.rewritten) = (content.len() as u64, content.len() as u64);
        self.written = version;
        Ok(())
    }
}

/// The lines of these changes, each heard of at a moment by the steady clock.
fn lines<'c>(changes: impl Iterator<Item = &'c (u64, RememberedChange)>) -> String {
    let now = clock::Reading::now();
    let mut text = String::new();
    for (at, change) in changes {
        let millis = now.wall.saturating_sub(now.steady.saturating_sub(*at)) / 1000;
        let mut line = json!({
            "seq": change.seq,
            "hash": hex(&change.hash),
            "at": millis,
            "kind": change.kind.map_or("unknown", EventKind::as_str),
        });
        if let Some(fields) = line.as_object_mut() {
            let ids =
                [("user", change.user_id.map(UserId::uuid)), ("token", change.token_id.map(TokenId::uuid))];
            fields.extend(
                ids.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.to_string().into()))),
            );
            if !change.detail.is_empty() {
                fields.insert("detail".to_owned(), Value::Object(change.fields()));
            }
        }
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

/// The line of an event that is only compared.
fn position(event: ChainHead) -> String {
    json!({"seq": event.seq, "hash": hex(&event.hash)}).to_string()
}

/// Adds the content of a journal to the memory.
fn parse(content: &[u8], history: &mut History) -> Result<(), String> {
    let end = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let (complete, torn) = content.split_at(end);
    if complete.is_empty() {
        return if HEADER.as_bytes().starts_with(torn) { Ok(()) } else { Err(NO_JOURNAL.to_owned()) };
    }
    let text = str::from_utf8(complete).map_err(|_| NO_JOURNAL.to_owned())?;
    let mut lines = text.lines().enumerate();
    if lines.next().is_none_or(|(_, first)| first != HEADER) {
        return Err(NO_JOURNAL.to_owned());
    }
    let mut parsed = Vec::new();
    for (index, line) in lines {
        let entry =
            entry(line).filter(|entry| parsed.last().is_none_or(|last: &Entry| last.is_before(entry)));
        parsed.push(entry.ok_or_else(|| format!("line {} is damaged", index + 1))?);
    }
    let now = clock::steady_now();
    // Ages count from the end of the former process, however long ago that was: a loss may have happened right then.
    let newest = parsed.iter().map(|entry| entry.at).max().unwrap_or(0);
    for Entry { head, at, change } in parsed {
        match change {
            Some(change) => history.remember(now.saturating_sub((newest - at).saturating_mul(1000)), change),
            None => history.advance(head),
        }
    }
    Ok(())
}

/// A line.
struct Entry {
    head: ChainHead,
    /// When its change was heard of, in milliseconds by the wall clock.
    at: u64,
    /// `None` of an event that is only compared.
    change: Option<RememberedChange>,
}

impl Entry {
    /// Whether the other one may follow. The oldest change may be the event that is compared as well.
    fn is_before(&self, other: &Self) -> bool {
        self.head.seq < other.head.seq || (self.change.is_none() && self.head == other.head)
    }
}

fn entry(line: &str) -> Option<Entry> {
    let Value::Object(fields) = serde_json::from_str(line).ok()? else { return None };
    let head =
        ChainHead { seq: fields.get("seq")?.as_i64()?, hash: from_hex(fields.get("hash")?.as_str()?)? };
    let Some(kind) = fields.get("kind") else { return Some(Entry { head, at: 0, change: None }) };
    let id = |name: &str| match fields.get(name) {
        None => Some(None),
        Some(id) => Some(Some(id.as_str()?.parse::<Uuid>().ok()?)),
    };
    let detail = match fields.get("detail") {
        None => String::new(),
        Some(detail) => detail.as_object().map(|_| detail.to_string())?,
    };
    let change = RememberedChange {
        seq: head.seq,
        hash: head.hash,
        // A kind of a newer release stays unknown.
        kind: kind.as_str()?.parse().ok(),
        user_id: id("user")?.map(UserId::from_uuid),
        token_id: id("token")?.map(TokenId::from_uuid),
        detail: detail.into(),
    };
    Some(Entry { head, at: fields.get("at")?.as_u64()?, change: Some(change) })
}

/// What is wrong with a file of something else.
const NO_JOURNAL: &str = "it is no journal of this release of Tokenry";

fn unusable(path: &Path, why: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the journal {}: {why}; name another file, or move this one away after you have checked that the database has lost \
         no change",
        path.display()
    ))
}

/// Whether there is no file, or no folder, which is reported when it cannot be written.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Locks the journal; `None` while another process has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = private(OpenOptions::new().create(true)).open(with_suffix(path, ".lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a file for appending that only its owner can read.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok())).collect();
    let bytes: Vec<u8> =
        digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if text.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(seq: i64, kind: EventKind) -> RememberedChange {
        RememberedChange {
            seq,
            hash: [u8::try_from(seq).unwrap(); 32],
            kind: Some(kind),
            user_id: Some(UserId::from_uuid(Uuid::from_u128(1))),
            token_id: Some(TokenId::from_uuid(Uuid::from_u128(2))),
            detail: if kind == EventKind::TokenUpdated {
                "{\"changed\":[\"name\"]}".into()
            } else {
                "".into()
            },
        }
    }

    fn memory() -> History {
        let mut history = History::default();
        history.advance(ChainHead { seq: 3, hash: [3; 32] });
        for (seq, kind) in [(5, EventKind::TokenRevoked), (6, EventKind::TokenUpdated)] {
            history.remember(clock::steady_now(), change(seq, kind));
        }
        history
    }

    fn content(history: &History) -> String {
        format!("{HEADER}\n{}\n{}", position(history.base().unwrap()), lines(history.added_after(0)))
    }

    fn read(content: &[u8]) -> Result<History, StoreError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, content).unwrap();
        let mut history = History::default();
        Journal::read(&path, &mut history).map(|_| history)
    }

    fn changes(history: &History) -> Vec<RememberedChange> {
        history.added_after(0).map(|(_, change)| change.clone()).collect()
    }

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let history = memory();
        let again = read(content(&history).as_bytes()).unwrap();
        assert_eq!(changes(&again), changes(&history));
        assert_eq!((again.base(), again.head()), (history.base(), history.head()));
        assert!(read(b"").unwrap().head().is_none());
    }

    #[test]
    fn a_line_without_its_end_is_dropped_and_any_other_damage_is_refused() {
        let whole = content(&memory());
        for cut in 0..whole.len() {
            let history = read(&whole.as_bytes()[..cut]).unwrap_or_else(|error| panic!("{cut}: {error}"));
            assert!(changes(&history).len() <= 2);
        }
        let torn = format!("{whole}{{\"seq\":7,\"ha");
        assert_eq!(changes(&read(torn.as_bytes()).unwrap()).len(), 2);
        let zeros = [whole.as_bytes(), &[0; 64]].concat();
        assert_eq!(changes(&read(&zeros).unwrap()).len(), 2, "of a lost power supply");
        for damaged in [
            whole.replacen("\"hash\":\"05", "\"hash\":\"5", 1),
            whole.replacen("\"seq\":6", "\"seq\":5", 1),
            whole.replacen("{\"seq\":5", "{\"seq:5", 1),
            whole.replacen("\"format\":1", "\"format\":2", 1),
            "a file of another program\n".to_owned(),
            "no line at all".to_owned(),
            format!("{HEADER}\n\n"),
        ] {
            let refused = read(damaged.as_bytes()).map(drop);
            assert!(
                matches!(&refused, Err(StoreError::Unusable(text)) if text.contains("journal")),
                "{damaged}"
            );
        }
    }
}
