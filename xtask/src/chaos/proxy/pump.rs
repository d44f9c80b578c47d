//! Passes on the bytes of one direction of one connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use super::messages::{NOTIFICATION, Splitter};
use super::{Mode, State};

/// How often a held notification looks whether it may pass.
const POLL: Duration = Duration::from_millis(5);

pub(super) fn to_server(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = read(&mut from, &mut buffer) {
        let bytes = buffer.get(..count).unwrap_or_default();
        match state.thawed() {
            // What a frozen network held is lost when it is cut.
            Mode::Cut => break,
            Mode::Delay(time) => sleep(time),
            _ => {}
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    close(&from, &to, state);
}

pub(super) fn to_client(mut from: TcpStream, mut to: TcpStream, state: &State) {
    // A connection that does not end closes with an error of its reads and writes.
    let _ = pass_to_client(&mut from, &mut to, state);
    close(&from, &to, state);
}

fn pass_to_client(from: &mut TcpStream, to: &mut TcpStream, state: &State) -> io::Result<()> {
    let (mut buffer, mut splitter) = ([0; 16 * 1024], Splitter::default());
    let mut held: Vec<u8> = Vec::new();
    loop {
        from.set_read_timeout((!held.is_empty()).then_some(POLL))?;
        let count = match read(from, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error),
        };
        let mode = state.thawed();
        match mode {
            Mode::Cut => return Ok(()),
            Mode::Delay(time) => sleep(time),
            _ => {}
        }
        if mode != Mode::HoldNotifications && !held.is_empty() {
            to.write_all(&held)?;
            held.clear();
        }
        // Always split, so that a change of the mode never falls into the middle of a message.
        let bytes = buffer.get(..count).unwrap_or_default();
        let messages = if state.has_messages { splitter.feed(bytes) } else { vec![bytes.to_vec()] };
        let mut passed = Vec::new();
        let is_notification = |message: &[u8]| state.has_messages && message.first() == Some(&NOTIFICATION);
        for message in messages {
            match mode {
                Mode::HoldNotifications if is_notification(&message) => held.extend(message),
                Mode::DropNotifications if is_notification(&message) => {}
                _ => passed.extend(message),
            }
        }
        to.write_all(&passed)?;
    }
}

fn read(from: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn close(from: &TcpStream, to: &TcpStream, state: &State) {
    // A frozen network does not pass on the end either.
    state.thawed();
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
