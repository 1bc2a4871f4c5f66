//! Bytes to a server and back, before a deadline.
//!
//! A socket's own time-outs hold for one system call: an answer that comes in small pieces would
//! never time out. Here the time left is counted down over all calls of an operation.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::address::Place;
#[cfg(feature = "tls")]
use super::tls::Tls;

/// Whatever a `Timed` counts down.
pub(super) trait Socket: Read + Write {
    fn set_timeouts(&self, time: Duration) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn set_timeouts(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    fn set_timeouts(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

/// A socket and the moment when the operation under way must be over.
#[derive(Debug)]
pub(super) struct Timed<S> {
    socket: S,
    deadline: Instant,
    /// The time-out that the socket has now.
    set: Duration,
}

impl<S: Socket> Timed<S> {
    fn new(socket: S, deadline: Instant) -> Self {
        Self {
            socket,
            deadline,
            set: Duration::ZERO,
        }
    }

    /// Gives the socket the time that is left.
    // rule: the-time-is-counted-over-all-calls
    fn arm(&mut self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // The call to set it costs as much as a small read: an eighth more or less will do.
        if left.abs_diff(self.set) > left / 8 {
            self.socket.set_timeouts(left)?;
            self.set = left;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Timed<TcpStream> {
    /// Whether small writes are sent at once.
    pub(super) fn is_immediate(&self) -> bool {
        self.socket.nodelay().unwrap()
    }
}

impl<S: Socket> Read for Timed<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            self.arm()?;
            match self.socket.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl<S: Socket> Write for Timed<S> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.arm()?;
        self.socket.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A connected byte stream.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(Timed<TcpStream>),
    #[cfg(unix)]
    Unix(Timed<UnixStream>),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, Timed<TcpStream>>>),
}

/// How to encrypt, if at all.
#[cfg(feature = "tls")]
pub(super) type Cover = Option<Tls>;
#[cfg(not(feature = "tls"))]
pub(super) type Cover = Option<std::convert::Infallible>;

impl Transport {
    /// Connects before the deadline. Only the look-up of a host's name takes as long as the
    /// system's resolver takes; that is why nobody waits for a connection longer than for the pool.
    pub(super) fn connect(place: &Place, cover: &Cover, deadline: Instant) -> io::Result<Self> {
        match place {
            Place::Tcp(host, port) => {
                let socket = connect_tcp(host, *port, deadline)?;
                // rule: no-small-write-waits-for-more
                socket.set_nodelay(true)?;
                let timed = Timed::new(socket, deadline);
                match cover {
                    None => Ok(Self::Tcp(timed)),
                    #[cfg(feature = "tls")]
                    Some(tls) => Ok(Self::Tls(Box::new(tls.cover(host, timed)?))),
                    #[cfg(not(feature = "tls"))]
                    Some(never) => match *never {},
                }
            }
            #[cfg(unix)]
            Place::Unix(path) => {
                let socket = UnixStream::connect(path)?;
                Ok(Self::Unix(Timed::new(socket, deadline)))
            }
            #[cfg(not(unix))]
            Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// From now on everything must be over before that moment.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Self::Tcp(timed) => timed.deadline = deadline,
            #[cfg(unix)]
            Self::Unix(timed) => timed.deadline = deadline,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.sock.deadline = deadline,
        }
    }
}

/// The first of a host's addresses that answers.
fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Read for Transport {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(timed) => timed.read(into),
            #[cfg(unix)]
            Self::Unix(timed) => timed.read(into),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(timed) => timed.write(from),
            #[cfg(unix)]
            Self::Unix(timed) => timed.write(from),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(timed) => timed.flush(),
            #[cfg(unix)]
            Self::Unix(timed) => timed.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}
