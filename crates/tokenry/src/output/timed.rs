//! An output that is given up when nobody reads it.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, Sender, channel},
    thread::Builder,
    time::Duration,
};

use zeroize::Zeroizing;

/// How long one write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes on a thread of its own and waits for it, but not for long: after that every write fails. The thread that waits
/// for a reader is left behind.
pub(super) struct TimedOutput {
    /// None once it was given up.
    texts: Option<Sender<Zeroizing<Vec<u8>>>>,
    results: Receiver<io::Result<()>>,
}

impl TimedOutput {
    /// # Errors
    /// When the system gives no further thread.
    pub(super) fn start(mut output: impl Write + Send + 'static) -> io::Result<Self> {
        let (texts, waiting) = channel::<Zeroizing<Vec<u8>>>();
        let (done, results) = channel();
        Builder::new().name("tokenry-output".to_owned()).spawn(move || {
            for text in waiting {
                let written = output.write_all(&text).and_then(|()| output.flush());
                if done.send(written).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { texts: Some(texts), results })
    }
}

impl Write for TimedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let texts = self.texts.as_ref().ok_or(io::ErrorKind::TimedOut)?;
        texts.send(Zeroizing::new(bytes.to_vec())).map_err(|_| io::ErrorKind::BrokenPipe)?;
        match self.results.recv_timeout(WRITE_TIMEOUT) {
            Ok(written) => written.map(|()| bytes.len()),
            Err(_) => {
                self.texts = None;
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Nothing is left: each write is flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_and_what_nobody_reads_is_given_up() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut output = TimedOutput::start(writer).unwrap();
        output.write_all(b"secret\n").unwrap();
        let mut read = [0; 7];
        io::Read::read_exact(&mut reader, &mut read).unwrap();
        assert_eq!(&read, b"secret\n");
        let more_than_a_pipe_holds = vec![b'x'; 4 << 20];
        for _ in 0..2 {
            assert_eq!(
                output.write_all(&more_than_a_pipe_holds).unwrap_err().kind(),
                io::ErrorKind::TimedOut
            );
        }
    }
}
