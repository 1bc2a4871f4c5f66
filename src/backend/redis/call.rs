//! A script and its answer, on whatever kind of connection.

use std::future::Future;
use std::time::Instant;

use redis::{Cmd, Value};

use super::failure::Failure;
use super::names::Names;
use super::script::Op;
use super::server::Server;

/// What a key or an argument is.
pub(super) type Bytes = Vec<u8>;

/// What a script is given besides what all are given, under the names that the server knows.
pub(super) type Requests<'r> = &'r (dyn Fn(&Names<'_>) -> Request + Sync);

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

/// A connection to one server in one term, that has been greeted.
pub(super) trait Line: Send {
    fn server(&self) -> &Server;

    /// A number that no earlier command on it had.
    fn number(&mut self) -> u64;

    /// The answer to a command. It may be an error of the server.
    ///
    /// # Errors
    /// Whatever keeps an answer from coming.
    fn exchange(
        &mut self,
        command: Cmd,
        deadline: Instant,
    ) -> impl Future<Output = Result<Value, Failure>> + Send;

    /// Whether what came of a command leaves it as it was. If not, it is not to be used again.
    fn judged(&mut self, is_sound: bool);
}

/// The error in an answer, if it is one.
pub(super) fn refused(value: Value) -> Result<Value, Failure> {
    match value {
        Value::ServerError(error) => Err(Failure::of_code(error.code())),
        value => Ok(value),
    }
}

/// Runs a script. Returns what it answered, without the echo.
///
/// # Errors
/// Whatever keeps an answer from coming. The connection is then not to be used again,
/// unless the server's answer is one of a few that leave it as it was.
pub(super) async fn call(
    line: &mut impl Line,
    op: Op,
    root: &str,
    request: Requests<'_>,
    deadline: Instant,
) -> Result<Vec<Value>, Failure> {
    let request = request(&Names {
        root,
        incarnation: &line.server().incarnation,
    });
    let (text, script) = op.script();
    let hash = script.get_hash();
    match send(line, "EVALSHA", hash, &request, deadline).await {
        Err(failure) if failure.code() == Some("NOSCRIPT") => {
            send(line, "EVAL", text, &request, deadline).await
        }
        answer => answer,
    }
}

async fn send(
    line: &mut impl Line,
    command: &str,
    script: &str,
    request: &Request,
    deadline: Instant,
) -> Result<Vec<Value>, Failure> {
    let echo = line.number().to_string();
    let mut command = redis::cmd(command);
    command.arg(script).arg(request.keys.len());
    for key in &request.keys {
        command.arg(&**key);
    }
    let server = line.server();
    // rule: a-term-is-verified
    let term = &*server.term;
    command.arg(&echo).arg(term).arg(&server.incarnation);
    for argument in &request.args {
        command.arg(&**argument);
    }
    let answer = line.exchange(command, deadline).await;
    let answer = answer.and_then(refused).and_then(|answer| match answer {
        Value::Array(mut values) => {
            // An answer to another command, late or doubled, has another number.
            // rule: an-answer-belongs-to-its-command
            let echoed =
                matches!(values.first(), Some(Value::BulkString(b)) if *b == echo.as_bytes());
            if !echoed {
                return Err(Failure::Garbled);
            }
            values.remove(0);
            Ok(values)
        }
        _ => Err(Failure::Garbled),
    });
    line.judged(match &answer {
        Ok(_) => true,
        Err(failure) => failure.spares_connection(),
    });
    answer
}
