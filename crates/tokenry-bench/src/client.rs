//! The load generator: a client on loopback with a fixed number of connections, all on one thread.
//!
//! HTTP/1.1 with keep-alive, one request at a time on each connection, requests that are made beforehand, and a look
//! at every answer. One thread makes the order of events exact: what was answered before another request was sent.

mod connection;
mod response;

use std::{
    collections::VecDeque,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use mio::{Events, Poll, Token};

use self::connection::{Connection, Received};
use crate::{latency::Latencies, traffic::Requests};

/// How long the client waits for responses after the last request.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// The longest sleep of the thread: bounds how late it notices the end of a run.
const NAP: Duration = Duration::from_millis(5);

/// Requests of one kind.
pub(crate) struct Stream<'r> {
    /// The servers; connections are distributed in turn.
    pub(crate) to: Vec<SocketAddr>,
    /// The source address; `None` is the default.
    pub(crate) from: Option<IpAddr>,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) requests: &'r mut dyn Requests,
}

impl<'r> Stream<'r> {
    /// A closed loop: each connection sends as soon as its response arrived.
    pub(crate) fn saturated(to: SocketAddr, connections: usize, requests: &'r mut dyn Requests) -> Self {
        Self { to: vec![to], from: None, connections, pace: Pace::Saturated, requests }
    }

    /// A fixed rate of requests per second to one server.
    pub(crate) fn paced(
        to: SocketAddr,
        connections: usize,
        rate: f64,
        requests: &'r mut dyn Requests,
    ) -> Self {
        Self { to: vec![to], from: None, connections, pace: Pace::PerSecond(rate), requests }
    }
}

/// When a stream sends its next request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As soon as the previous one on that connection was answered.
    Saturated,
    /// So many a second, whatever becomes of those before. One that finds no free connection waits for it, and the
    /// wait counts as latency.
    PerSecond(f64),
}

/// The responses to a stream.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) count: u64,
    pub(crate) latencies: Latencies,
    /// Status codes that the stream did not expect, in the order they came; the first thousand.
    pub(crate) unexpected: Vec<u16>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Answers {
    pub(crate) fn per_second(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = self.count as f64;
        count / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// # Errors
    /// When a response had an unexpected status.
    pub(crate) fn all_expected(self) -> Result<Self> {
        if let Some(first) = self.unexpected.first() {
            bail!("{} of {} answers were unexpected, the first {first}", self.unexpected.len(), self.count);
        }
        if self.count == 0 {
            bail!("there was no answer");
        }
        Ok(self)
    }
}

/// Sends one stream for as long as `time`.
///
/// # Errors
/// When a connection fails, or a response has an unexpected status.
pub(crate) fn run_for(stream: Stream<'_>, time: Duration) -> Result<Answers> {
    let end = Instant::now() + time;
    let answers = run(vec![stream], || Instant::now() < end)?;
    answers.into_iter().next().context("no answers")?.all_expected()
}

/// Sends the streams side by side while `goes_on` says so, or until none has a request left. Nothing is said about
/// unexpected answers but in the result.
///
/// # Errors
/// When a connection fails.
pub(crate) fn run(streams: Vec<Stream<'_>>, goes_on: impl FnMut() -> bool) -> Result<Vec<Answers>> {
    Run::open(streams)?.drive(goes_on)
}

struct Run<'r> {
    poll: Poll,
    connections: Vec<Connection>,
    streams: Vec<Active<'r>>,
    started: Instant,
}

struct Active<'r> {
    pace: Pace,
    requests: &'r mut dyn Requests,
    /// The longest idle connection first: servers close connections that are idle for seconds.
    idle: VecDeque<usize>,
    /// The due times of requests that wait for a connection.
    due: VecDeque<Instant>,
    /// How many requests became due so far.
    due_count: u64,
    is_exhausted: bool,
    in_flight: usize,
    answers: Answers,
}

impl<'r> Run<'r> {
    fn open(streams: Vec<Stream<'r>>) -> Result<Self> {
        let poll = Poll::new()?;
        let (mut connections, mut active) = (Vec::new(), Vec::new());
        for (number, stream) in streams.into_iter().enumerate() {
            let first = connections.len();
            for to in stream.to.iter().cycle().take(stream.connections) {
                let token = Token(connections.len());
                connections.push(Connection::open(*to, stream.from, number, poll.registry(), token)?);
            }
            active.push(Active {
                pace: stream.pace,
                requests: stream.requests,
                idle: (first..connections.len()).collect(),
                due: VecDeque::new(),
                due_count: 0,
                is_exhausted: false,
                in_flight: 0,
                answers: Answers::default(),
            });
        }
        Ok(Self { poll, connections, streams: active, started: Instant::now() })
    }

    fn drive(mut self, mut goes_on: impl FnMut() -> bool) -> Result<Vec<Answers>> {
        let mut events = Events::with_capacity(256);
        self.started = Instant::now();
        while goes_on() && !self.is_finished() {
            self.send_due()?;
            self.wait(&mut events, self.nap())?;
            self.receive(&events, true)?;
        }
        let end = Instant::now() + LAST_ANSWERS;
        while self.streams.iter().any(|stream| stream.in_flight > 0) {
            if Instant::now() > end {
                bail!("an answer did not come within {LAST_ANSWERS:?}");
            }
            self.wait(&mut events, NAP)?;
            self.receive(&events, false)?;
        }
        Ok(self.streams.into_iter().map(|stream| stream.answers).collect())
    }

    /// A signal only ends the sleep early.
    fn wait(&mut self, events: &mut Events, nap: Duration) -> Result<()> {
        match self.poll.poll(events, Some(nap)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => Ok(result?),
        }
    }

    fn is_finished(&self) -> bool {
        self.streams.iter().all(|stream| stream.is_exhausted && stream.in_flight == 0)
    }

    /// Until when there is nothing to send. The system rounds it up to milliseconds, which is why a request's latency
    /// is counted from when it was noticed to be due.
    fn nap(&self) -> Duration {
        let paced = self.streams.iter().filter_map(|stream| match stream.pace {
            Pace::PerSecond(rate) if !stream.is_exhausted => Some(Duration::from_secs_f64(0.5 / rate)),
            _ => None,
        });
        paced.min().map_or(NAP, |nap| nap.min(NAP))
    }

    fn send_due(&mut self) -> Result<()> {
        let now = Instant::now();
        for stream in &mut self.streams {
            stream.note_due(now.saturating_duration_since(self.started), now);
            while let Some(connection) = stream.idle.front().copied() {
                let since = match stream.pace {
                    Pace::Saturated => now,
                    Pace::PerSecond(_) => match stream.due.pop_front() {
                        Some(since) => since,
                        None => break,
                    },
                };
                if !send(stream, &mut self.connections, connection, since)? {
                    break;
                }
                stream.idle.pop_front();
            }
        }
        Ok(())
    }

    fn receive(&mut self, events: &Events, goes_on: bool) -> Result<()> {
        for event in events {
            let index = event.token().0;
            let Some(connection) = self.connections.get_mut(index) else { continue };
            let Some(stream) = self.streams.get_mut(connection.stream) else { continue };
            let (tag, status, since) = match connection.receive()? {
                Received::Part => continue,
                Received::Closed => {
                    connection.reopen(self.poll.registry(), event.token())?;
                    continue;
                }
                Received::Answer { tag, status, since } => (tag, status, since),
            };
            let now = Instant::now();
            let is_expected = stream.requests.answered(tag, status, connection.body());
            connection.done();
            stream.in_flight -= 1;
            stream.answers.count += 1;
            stream.answers.elapsed = now - self.started;
            stream.answers.latencies.add(now.saturating_duration_since(since));
            if !is_expected && stream.answers.unexpected.len() < 1000 {
                stream.answers.unexpected.push(status);
            }
            let is_next = goes_on && matches!(stream.pace, Pace::Saturated);
            if !(is_next && send(stream, &mut self.connections, index, now)?) {
                stream.idle.push_back(index);
            }
        }
        Ok(())
    }
}

impl Active<'_> {
    fn note_due(&mut self, elapsed: Duration, now: Instant) {
        if let Pace::PerSecond(rate) = self.pace {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
            let until_now = (elapsed.as_secs_f64() * rate) as u64;
            while self.due_count < until_now && !self.is_exhausted {
                self.due_count += 1;
                self.due.push_back(now);
            }
        }
    }
}

/// Sends the stream's next request; `false` when it has none.
fn send(
    stream: &mut Active<'_>,
    connections: &mut [Connection],
    index: usize,
    since: Instant,
) -> Result<bool> {
    let Some(tag) = stream.requests.next() else {
        stream.is_exhausted = true;
        stream.due.clear();
        return Ok(false);
    };
    let connection = connections.get_mut(index).context("no such connection")?;
    connection.send(stream.requests.bytes(tag), tag, since)?;
    stream.in_flight += 1;
    Ok(true)
}

#[cfg(test)]
mod tests;
