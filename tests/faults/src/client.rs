//! A client of Redis that shares nothing with the one under test.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection or an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection that sends commands and reads their replies, one by one or many at a time.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A status (`OK`).
    Status(String),
    /// An error of the server's.
    Error(String),
    /// A number.
    Int(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Several replies.
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of a status or of bytes, or a number's digits.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Status(text) => Some(text.clone()),
            Self::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Int(number) => Some(number.to_string()),
            Self::Nil | Self::Error(_) | Self::Array(_) => None,
        }
    }

    /// The texts of an array.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Array(items) => items.iter().filter_map(Self::text).collect(),
            _ => Vec::new(),
        }
    }
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// If nobody accepts within 10 s.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream: BufReader::new(stream),
        };
        client.patience(Some(LIMIT))?;
        Ok(client)
    }

    /// How long the following answers may take; 10 s if nothing else is said.
    ///
    /// # Errors
    /// If the limit is zero.
    pub fn patience(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(limit)?;
        self.stream.get_ref().set_write_timeout(limit)
    }

    /// Sends a command and reads its reply, which may be an error of the server's.
    ///
    /// # Errors
    /// If the connection fails; it is then of no more use.
    pub fn command<A: AsRef<[u8]>>(&mut self, words: &[A]) -> io::Result<Reply> {
        self.send(words)?;
        self.reply()
    }

    /// Sends a command whose reply is a text or a number.
    ///
    /// # Errors
    /// If the connection fails, or the server answers something else.
    pub fn text<A: AsRef<[u8]>>(&mut self, words: &[A]) -> io::Result<String> {
        let reply = self.command(words)?;
        reply
            .text()
            .ok_or_else(|| io::Error::other(format!("no text: {reply:?}")))
    }

    /// Sends many commands at once and returns their replies.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> io::Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        for words in commands {
            encode(words, &mut bytes);
        }
        self.stream.get_mut().write_all(&bytes)?;
        commands.iter().map(|_| self.reply()).collect()
    }

    /// Sends a command without waiting for its reply.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn send<A: AsRef<[u8]>>(&mut self, words: &[A]) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(words, &mut bytes);
        self.stream.get_mut().write_all(&bytes)
    }

    /// Reads the next reply (after `MONITOR` or `SUBSCRIBE`, the next message).
    ///
    /// # Errors
    /// If the connection fails, or the bytes are no reply.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let Some((kind, rest)) = line.split_at_checked(1) else {
            return Err(malformed(line));
        };
        let number = || rest.parse::<i64>().map_err(|_| malformed(line));
        match kind {
            "+" => Ok(Reply::Status(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Int(number()?)),
            "$" => match usize::try_from(number()?) {
                Err(_) => Ok(Reply::Nil),
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Ok(Reply::Bulk(bytes))
                }
            },
            "*" => match usize::try_from(number()?) {
                Err(_) => Ok(Reply::Nil),
                Ok(length) => (0..length)
                    .map(|_| self.reply())
                    .collect::<Result<_, _>>()
                    .map(Reply::Array),
            },
            _ => Err(malformed(line)),
        }
    }
}

fn encode<A: AsRef<[u8]>>(words: &[A], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no reply: {line}"))
}
