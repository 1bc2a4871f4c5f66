//! One connection to one server in one term.

use std::io::{self, Read, Write};
use std::time::Instant;

use redis::{Cmd, Parser, Value};

use super::address::Hidden;
use super::failure::{Failure, Loss};
use super::names::Names;
use super::script::Op;
use super::server::Server;
use super::transport::Transport;

/// No answer is longer than the largest entry and this.
const SLACK: u64 = 16 << 20;

/// A byte stream on which commands are sent and answers read, one at a time.
#[derive(Debug)]
pub(super) struct Wire {
    transport: Transport,
    largest: u64,
}

/// A connection that has been greeted.
pub(super) struct Link {
    wire: Wire,
    parser: Parser,
    pub(super) server: Server,
    /// The process that made it. A child must not use its parent's.
    pub(super) process: u32,
    /// How often all connections had been given up when it was made.
    pub(super) age: u64,
    /// Whether it must not be used again. It is set while a command is under way.
    poisoned: bool,
    commands: u64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("server", &self.server)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

/// What a key or an argument is.
pub(super) type Bytes = Vec<u8>;

impl Wire {
    pub(super) fn new(transport: Transport, largest: u64) -> Self {
        let largest = largest.saturating_add(SLACK);
        Self { transport, largest }
    }

    /// Sends commands, and reads as many answers. An answer may be an error of the server.
    pub(super) fn exchange(
        &mut self,
        parser: &mut Parser,
        commands: &[Cmd],
        deadline: Instant,
    ) -> Result<Vec<Value>, Failure> {
        self.transport.set_deadline(deadline);
        let mut packed = Vec::new();
        for command in commands {
            command.write_packed_command(&mut packed);
        }
        self.transport.write_all(&packed)?;
        self.transport.flush()?;
        let read = |_| {
            let reader = (&mut self.transport).take(self.largest);
            parser.parse_value(reader).map_err(|error| {
                if error.is_timeout() {
                    Failure::Lost(Loss::Slow)
                } else if let Some(kind) = io_kind(&error) {
                    Failure::from(io::Error::from(kind))
                } else if error.is_connection_dropped() {
                    Failure::Lost(Loss::Ended)
                } else if error.is_io_error() {
                    Failure::Lost(Loss::Broken)
                } else {
                    Failure::Garbled
                }
            })
        };
        commands.iter().map(read).collect()
    }
}

fn io_kind(error: &redis::RedisError) -> Option<io::ErrorKind> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// The error in an answer, if it is one.
fn refused(value: Value) -> Result<Value, Failure> {
    match value {
        Value::ServerError(error) => Err(Failure::of_code(error.code())),
        value => Ok(value),
    }
}

/// Who connects, and to which database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: Option<&'a Hidden>,
    pub(super) password: Option<&'a Hidden>,
    pub(super) database: u32,
}

impl Wire {
    /// Introduces this client, sends further commands in the same round trip, and returns their
    /// answers.
    pub(super) fn greet(
        &mut self,
        login: Login<'_>,
        commands: &[Cmd],
        deadline: Instant,
    ) -> Result<(Parser, Vec<Value>), Failure> {
        let mut all = Vec::new();
        if let Some(password) = login.password {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = login.user {
                auth.arg(&user.0);
            }
            auth.arg(&password.0);
            all.push(auth);
        }
        if login.database != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(login.database);
            all.push(select);
        }
        all.extend_from_slice(commands);
        let mut parser = Parser::new();
        let mut answers = self.exchange(&mut parser, &all, deadline)?.into_iter();
        if login.password.is_some() {
            answers.next().map(refused).transpose().map_err(|failure| {
                unless_passing(failure, "the store refuses the user or the password")
            })?;
        }
        if login.database != 0 {
            answers.next().map(refused).transpose().map_err(|failure| {
                unless_passing(failure, "the store has no database of that index")
            })?;
        }
        Ok((parser, answers.collect()))
    }
}

/// That reason, unless the server says that it is only busy.
fn unless_passing(failure: Failure, reason: &str) -> Failure {
    match failure.code() {
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN") => failure,
        _ => Failure::Unusable(reason.to_owned()),
    }
}

/// The text in an answer to `INFO`; `None` if the server refuses it.
pub(super) fn info(answer: Value) -> Result<Option<String>, Failure> {
    match answer {
        Value::BulkString(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Value::VerbatimString { text, .. } => Ok(Some(text)),
        Value::ServerError(error) => match error.code() {
            "NOPERM" | "ERR" => Ok(None),
            "NOAUTH" => Err(Failure::Unusable(
                "the store asks for a password: give it in the URL".to_owned(),
            )),
            code => Err(Failure::of_code(code)),
        },
        _ => Err(Failure::Garbled),
    }
}

impl Link {
    pub(super) fn new(wire: Wire, parser: Parser, server: Server, age: u64) -> Self {
        Self {
            wire,
            parser,
            server,
            process: std::process::id(),
            age,
            poisoned: false,
            commands: 0,
        }
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    pub(super) fn poison(&mut self) {
        self.poisoned = true;
    }

    /// Runs a script. Returns what it answered, without the echo.
    ///
    /// # Errors
    /// Whatever keeps an answer from coming. The connection is then not to be used again,
    /// unless the server's answer is one of a few that leave it as it was.
    pub(super) fn call(
        &mut self,
        op: Op,
        root: &str,
        request: &dyn Fn(&Names<'_>) -> Request,
        deadline: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let names = Names {
            root,
            incarnation: &self.server.incarnation,
        };
        let request = request(&names);
        let (text, script) = op.script();
        let hash = script.get_hash();
        match self.send("EVALSHA", hash, &request, deadline) {
            Err(failure) if failure.code() == Some("NOSCRIPT") => {
                self.send("EVAL", text, &request, deadline)
            }
            answer => answer,
        }
    }

    fn send(
        &mut self,
        command: &str,
        script: &str,
        request: &Request,
        deadline: Instant,
    ) -> Result<Vec<Value>, Failure> {
        self.commands += 1;
        let echo = self.commands.to_string();
        // rule: a-term-is-verified
        let term = &*self.server.term;
        let mut command = redis::cmd(command);
        command.arg(script).arg(request.keys.len());
        for key in &request.keys {
            command.arg(&**key);
        }
        command.arg(&echo).arg(term).arg(&self.server.incarnation);
        for argument in &request.args {
            command.arg(&**argument);
        }
        // rule: a-command-that-is-not-answered-poisons
        self.poisoned = true;
        let answer = self
            .wire
            .exchange(&mut self.parser, &[command], deadline)?
            .pop()
            .ok_or(Failure::Garbled)?;
        match refused(answer) {
            Ok(Value::Array(mut values)) => {
                // An answer to another command, late or doubled, has another number.
                // rule: an-answer-belongs-to-its-command
                let echoed =
                    matches!(values.first(), Some(Value::BulkString(b)) if *b == echo.as_bytes());
                if !echoed {
                    return Err(Failure::Garbled);
                }
                values.remove(0);
                self.poisoned = false;
                Ok(values)
            }
            Ok(_) => Err(Failure::Garbled),
            Err(failure) => {
                self.poisoned = !failure.spares_connection();
                Err(failure)
            }
        }
    }
}

/// What a script is given besides what all are given.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) keys: Vec<Bytes>,
    pub(super) args: Vec<Bytes>,
}

impl Request {
    pub(super) fn key(mut self, key: Bytes) -> Self {
        self.keys.push(key);
        self
    }

    pub(super) fn keys(mut self, keys: impl Iterator<Item = Bytes>) -> Self {
        self.keys.extend(keys);
        self
    }

    pub(super) fn arg(mut self, argument: impl Into<Bytes>) -> Self {
        self.args.push(argument.into());
        self
    }

    pub(super) fn number(self, number: u64) -> Self {
        self.arg(number.to_string())
    }
}
