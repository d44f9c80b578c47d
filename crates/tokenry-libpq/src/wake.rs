//! Ends the sleep of a thread that waits for the server.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Ends a [`Connection::wait`](crate::Connection::wait) from another thread. One use ends one sleep, also one that begins
/// later.
pub struct Wake {
    sender: UnixStream,
    receiver: UnixStream,
}

impl Wake {
    /// A new one.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok(Self { sender, receiver })
    }

    /// Ends the current sleep, or else the next one.
    pub fn wake(&self) {
        // A full buffer ends the next sleep anyway.
        let _ = (&self.sender).write(&[0]);
    }

    /// Takes all uses.
    fn take_all(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.receiver).read(&mut bytes), Ok(count) if count == bytes.len()) {}
    }
}

/// Sleeps until one of both is readable or the time has passed.
pub(crate) fn wait(socket: BorrowedFd<'_>, wake: &Wake, timeout: Duration) -> io::Result<()> {
    let timeout = Timespec::try_from(timeout).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    let receiver = wake.receiver.as_fd();
    let mut descriptors =
        [PollFd::from_borrowed_fd(socket, PollFlags::IN), PollFd::from_borrowed_fd(receiver, PollFlags::IN)];
    match poll(&mut descriptors, Some(&timeout)) {
        // The caller looks what there is to do in any case.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    wake.take_all();
    Ok(())
}
