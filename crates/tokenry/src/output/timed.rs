//! An output whose writes time out.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, Sender, channel},
    thread::Builder,
    time::Duration,
};

use zeroize::Zeroizing;

/// The timeout of one write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes on a separate thread and waits for it with a timeout. After a timeout every write fails, and the blocked
/// thread is abandoned.
pub(super) struct TimedOutput {
    /// `None` after a timeout.
    texts: Option<Sender<Zeroizing<Vec<u8>>>>,
    results: Receiver<io::Result<()>>,
}

impl TimedOutput {
    /// # Errors
    /// If the system cannot start a thread.
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

    /// Does nothing, because each write is flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_without_a_reader_times_out() {
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
