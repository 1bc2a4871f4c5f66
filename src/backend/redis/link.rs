//! One connection to one server in one term.

use std::future::{self, Future};
use std::io::{Read, Write};
use std::time::Instant;

use redis::{Cmd, Parser, Value};

use super::call::Line;
use super::failure::{Failure, of_client as failure};
use super::greeting::Login;
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
            parser.parse_value(reader).map_err(|error| failure(&error))
        };
        commands.iter().map(read).collect()
    }
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
        let mut all = login.commands();
        all.extend_from_slice(commands);
        let mut parser = Parser::new();
        let answers = self.exchange(&mut parser, &all, deadline)?;
        let mut answers = answers.into_iter().map(Ok);
        login.check(&mut answers)?;
        let answers: Result<_, Failure> = answers.collect();
        Ok((parser, answers?))
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
}

impl Line for Link {
    fn server(&self) -> &Server {
        &self.server
    }

    fn number(&mut self) -> u64 {
        self.commands += 1;
        self.commands
    }

    fn exchange(
        &mut self,
        command: Cmd,
        deadline: Instant,
    ) -> impl Future<Output = Result<Value, Failure>> + Send {
        // rule: a-command-that-is-not-answered-poisons
        self.poisoned = true;
        let answers = self.wire.exchange(&mut self.parser, &[command], deadline);
        let answer = answers.and_then(|mut answers| answers.pop().ok_or(Failure::Garbled));
        future::ready(answer)
    }

    fn judged(&mut self, is_sound: bool) {
        self.poisoned = !is_sound;
    }
}
