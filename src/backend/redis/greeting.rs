//! How a client introduces itself, and what a server says of itself.

use redis::{Cmd, Value};

use super::address::Hidden;
use super::call::refused;
use super::failure::Failure;

/// Who connects, and to which database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: Option<&'a Hidden>,
    pub(super) password: Option<&'a Hidden>,
    pub(super) database: u32,
}

impl Login<'_> {
    /// What to send before anything else.
    pub(super) fn commands(&self) -> Vec<Cmd> {
        let mut commands = Vec::new();
        if let Some(password) = self.password {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = self.user {
                auth.arg(&user.0);
            }
            auth.arg(&password.0);
            commands.push(auth);
        }
        if self.database != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(self.database);
            commands.push(select);
        }
        commands
    }

    /// Takes the answers to those [commands](Self::commands).
    ///
    /// # Errors
    /// Why the server cannot be used.
    pub(super) fn check(
        &self,
        answers: &mut impl Iterator<Item = Result<Value, Failure>>,
    ) -> Result<(), Failure> {
        let mut next = |reason| {
            let answer = answers.next().ok_or(Failure::Garbled)?;
            let answer = answer.and_then(refused).map(drop);
            answer.map_err(|failure| unless_passing(failure, reason))
        };
        if self.password.is_some() {
            next("the store refuses the user or the password")?;
        }
        if self.database != 0 {
            next("the store has no database of that index")?;
        }
        Ok(())
    }
}

/// That reason, if it is the server that refuses and it is not only busy.
fn unless_passing(failure: Failure, reason: &str) -> Failure {
    match failure.code() {
        None | Some("LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN") => failure,
        Some(_) => Failure::Unusable(reason.to_owned()),
    }
}

/// The text in an answer to `INFO`; `None` if the server refuses it.
///
/// # Errors
/// Why the server cannot be used now.
pub(super) fn info(answer: Result<Value, Failure>) -> Result<Option<String>, Failure> {
    match answer.and_then(refused) {
        Ok(Value::BulkString(bytes)) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Ok(Value::VerbatimString { text, .. }) => Ok(Some(text)),
        Ok(_) => Err(Failure::Garbled),
        Err(failure) => match failure.code() {
            Some("NOPERM" | "ERR") => Ok(None),
            Some("NOAUTH") => Err(Failure::Unusable(
                "the store asks for a password: give it in the URL".to_owned(),
            )),
            _ => Err(failure),
        },
    }
}
