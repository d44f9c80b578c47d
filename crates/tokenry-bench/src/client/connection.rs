//! One connection with at most one request in flight.

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use mio::{Interest, Registry, Token, net::TcpStream};
use socket2::{Domain, Socket, Type};

use super::response::Response;

pub(super) struct Connection {
    /// The index of its stream.
    pub(super) stream: usize,
    to: SocketAddr,
    from: Option<IpAddr>,
    socket: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    response: Option<Response>,
    request: Option<(u64, Instant)>,
}

pub(super) enum Received {
    /// The response is incomplete.
    Part,
    /// The server closed an idle connection.
    Closed,
    Response {
        tag: u64,
        status: u16,
        since: Instant,
    },
}

impl Connection {
    pub(super) fn open(
        to: SocketAddr,
        from: Option<IpAddr>,
        stream: usize,
        registry: &Registry,
        token: Token,
    ) -> Result<Self> {
        let socket = registered(to, from, registry, token)?;
        let buffer = vec![0; 16 * 1024];
        Ok(Self { stream, to, from, socket, buffer, filled: 0, response: None, request: None })
    }

    /// Connects again after [`Received::Closed`].
    pub(super) fn reopen(&mut self, registry: &Registry, token: Token) -> Result<()> {
        registry.deregister(&mut self.socket)?;
        self.socket = registered(self.to, self.from, registry, token)?;
        self.done();
        Ok(())
    }

    /// Whether the server has closed it while it was idle, though the event of that was not received yet.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.socket.peek(&mut [0]), Ok(0))
    }

    pub(super) fn send(&mut self, request: &[u8], tag: u64, since: Instant) -> Result<()> {
        let written = self.socket.write(request).context("cannot send a request")?;
        if written != request.len() {
            bail!("a request of {} bytes did not fit into the socket", request.len());
        }
        self.request = Some((tag, since));
        Ok(())
    }

    /// Reads the available bytes. Only one response can be pending, so one read usually suffices.
    pub(super) fn receive(&mut self) -> Result<Received> {
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.filled * 2, 0);
            }
            let free =
                self.buffer.get_mut(self.filled..).context("the response is larger than the buffer")?;
            match self.socket.read(free) {
                Ok(0) if self.request.is_none() => return Ok(Received::Closed),
                Ok(0) => bail!("the server closed a connection instead of answering"),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Part),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read a response"),
            }
            let filled = self.buffer.get(..self.filled).unwrap_or_default();
            if self.response.is_none() {
                self.response = Response::parse(filled)?;
            }
            if let Some(response) = &self.response
                && self.filled >= response.head + response.body
            {
                let (tag, since) = self.request.take().context("a response without a request")?;
                return Ok(Received::Response { tag, status: response.status, since });
            }
        }
    }

    /// The body of the received response.
    pub(super) fn body(&self) -> &[u8] {
        let whole = self.buffer.get(..self.filled).unwrap_or_default();
        self.response.as_ref().and_then(|response| whole.get(response.head..)).unwrap_or_default()
    }

    /// Clears the buffer for the next response.
    pub(super) fn done(&mut self) {
        self.filled = 0;
        self.response = None;
    }
}

fn registered(to: SocketAddr, from: Option<IpAddr>, registry: &Registry, token: Token) -> Result<TcpStream> {
    let socket = connect(to, from).with_context(|| format!("cannot connect to {to}"))?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    let mut socket = TcpStream::from_std(socket);
    registry.register(&mut socket, token, Interest::READABLE)?;
    Ok(socket)
}

/// Connects from a given source address, which std cannot do.
fn connect(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect(&to.into())?;
    Ok(socket.into())
}
