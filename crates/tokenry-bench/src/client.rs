//! The load generator: a client on loopback with a fixed number of connections, all on one thread.
//!
//! It speaks HTTP/1.1 with keep-alive, has at most one request in flight per connection, builds all requests before the
//! run and checks every response. A single thread gives requests and responses one exact order.

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
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest sleep of the thread, which bounds the delay at the end of a run.
const MAX_SLEEP: Duration = Duration::from_millis(5);

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
    /// As soon as the response to the previous request on that connection arrived.
    Saturated,
    /// At a fixed rate per second, independent of responses. A request without a free connection waits for one, and
    /// the wait counts as latency.
    PerSecond(f64),
}

/// The responses to a stream.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    pub(crate) count: u64,
    pub(crate) latencies: Latencies,
    /// The first thousand unexpected status codes, in order of arrival.
    pub(crate) unexpected: Vec<u16>,
    /// From the first request to the last response.
    pub(crate) elapsed: Duration,
}

impl Responses {
    pub(crate) fn per_second(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = self.count as f64;
        count / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// # Errors
    /// When a response had an unexpected status.
    pub(crate) fn all_expected(self) -> Result<Self> {
        if let Some(first) = self.unexpected.first() {
            bail!("{} of {} responses were unexpected, the first {first}", self.unexpected.len(), self.count);
        }
        if self.count == 0 {
            bail!("there was no response");
        }
        Ok(self)
    }
}

/// Sends one stream for as long as `time`.
///
/// # Errors
/// When a connection fails, or a response has an unexpected status.
pub(crate) fn run_for(stream: Stream<'_>, time: Duration) -> Result<Responses> {
    let end = Instant::now() + time;
    let responses = run(vec![stream], || Instant::now() < end)?;
    responses.into_iter().next().context("no stream")?.all_expected()
}

/// Sends the streams concurrently until `should_continue` returns `false` or no stream has a request left. The result
/// contains unexpected responses.
///
/// # Errors
/// When a connection fails.
pub(crate) fn run(streams: Vec<Stream<'_>>, should_continue: impl FnMut() -> bool) -> Result<Vec<Responses>> {
    Run::open(streams)?.drive(should_continue)
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
    /// The number of requests that became due so far.
    due_count: u64,
    is_exhausted: bool,
    in_flight: usize,
    responses: Responses,
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
                responses: Responses::default(),
            });
        }
        Ok(Self { poll, connections, streams: active, started: Instant::now() })
    }

    fn drive(mut self, mut should_continue: impl FnMut() -> bool) -> Result<Vec<Responses>> {
        let mut events = Events::with_capacity(256);
        self.started = Instant::now();
        while should_continue() && !self.is_finished() {
            self.send_due()?;
            self.wait(&mut events, self.sleep())?;
            self.receive(&events, true)?;
        }
        let end = Instant::now() + DRAIN_TIMEOUT;
        while self.streams.iter().any(|stream| stream.in_flight > 0) {
            if Instant::now() > end {
                bail!("a response did not arrive within {DRAIN_TIMEOUT:?}");
            }
            self.wait(&mut events, MAX_SLEEP)?;
            self.receive(&events, false)?;
        }
        Ok(self.streams.into_iter().map(|stream| stream.responses).collect())
    }

    /// Waits for events; a signal ends the wait early.
    fn wait(&mut self, events: &mut Events, sleep: Duration) -> Result<()> {
        match self.poll.poll(events, Some(sleep)) {
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

    /// The time until the next request may be due. The system rounds it up to milliseconds, so latency is counted from
    /// the moment at which the thread noticed that the request was due.
    fn sleep(&self) -> Duration {
        let paced = self.streams.iter().filter_map(|stream| match stream.pace {
            Pace::PerSecond(rate) if !stream.is_exhausted => Some(Duration::from_secs_f64(0.5 / rate)),
            _ => None,
        });
        paced.min().map_or(MAX_SLEEP, |sleep| sleep.min(MAX_SLEEP))
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
                // A thread that got no processor for a while may find that its idle connection was closed meanwhile.
                if let (Pace::PerSecond(_), Some(idle)) = (stream.pace, self.connections.get_mut(connection))
                    && idle.is_closed()
                {
                    idle.reopen(self.poll.registry(), Token(connection))?;
                }
                if !send(stream, &mut self.connections, connection, since)? {
                    break;
                }
                stream.idle.pop_front();
            }
        }
        Ok(())
    }

    fn receive(&mut self, events: &Events, should_continue: bool) -> Result<()> {
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
                Received::Response { tag, status, since } => (tag, status, since),
            };
            let now = Instant::now();
            let is_expected = stream.requests.on_response(tag, status, connection.body());
            connection.done();
            stream.in_flight -= 1;
            stream.responses.count += 1;
            stream.responses.elapsed = now - self.started;
            stream.responses.latencies.add(now.saturating_duration_since(since));
            if !is_expected && stream.responses.unexpected.len() < 1000 {
                stream.responses.unexpected.push(status);
            }
            let is_next = should_continue && matches!(stream.pace, Pace::Saturated);
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
