//! Which server to connect to: the owner of a slot, or the master of a name.
//!
//! Redis clients for clusters keep a map of all slots and follow redirections. A namespace lies in
//! one slot, so here the owner is looked up for each connection, and a redirection ends it: one
//! connection always means one server in one term.

use std::time::Instant;

use redis::{Cmd, Value};

use super::address::Place;
use super::failure::Failure;
use super::greeting::Login;
use super::link::Wire;
use super::manager::Target;
use super::transport::Transport;

/// Asks one node, in one round trip.
fn ask(
    target: &Target,
    place: &Place,
    login: Login<'_>,
    commands: &[Cmd],
    deadline: Instant,
) -> Result<Vec<Value>, Failure> {
    let transport = Transport::connect(place, &target.cover, deadline)?;
    let mut wire = Wire::new(transport, target.largest);
    let (_, answers) = wire.greet(login, commands, deadline)?;
    Ok(answers)
}

/// The first that knows, of several that may be asked. Each is given its share of the time, so
/// that one that hangs does not use up all of it.
fn first<T>(
    places: &[Place],
    deadline: Instant,
    ask: impl Fn(&Place, Instant) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut last = Failure::Garbled;
    for (at, place) in places.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = u32::try_from(places.len() - at).unwrap_or(u32::MAX);
        // Half of what is left is for the server itself.
        match ask(place, Instant::now() + left / 2 / share.min(2)) {
            Ok(found) => return Ok(found),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// The node that owns the namespace's slot, and the masters of all slots.
///
/// # Errors
/// If no node that may be asked says so.
#[cfg(feature = "redis-cluster")]
pub(super) fn owner(
    target: &Target,
    nodes: &[Place],
    deadline: Instant,
) -> Result<(Place, Vec<Place>), Failure> {
    let mut keyslot = redis::cmd("CLUSTER");
    keyslot.arg("KEYSLOT").arg(&target.root);
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("SLOTS");
    first(nodes, deadline, |place, deadline| {
        let commands = [keyslot.clone(), slots.clone()];
        let answers = ask(target, place, target.login(), &commands, deadline)?;
        let [slot, slots] = <[Value; 2]>::try_from(answers).map_err(|_| Failure::Garbled)?;
        let slot = match slot {
            Value::Int(slot) => slot,
            Value::ServerError(error) if error.code() == "ERR" => {
                return Err(Failure::Unusable(
                    "the store is not a cluster: use `redis://` instead of `redis+cluster://`"
                        .to_owned(),
                ));
            }
            Value::ServerError(error) => return Err(Failure::of_code(error.code())),
            _ => return Err(Failure::Garbled),
        };
        let ranges = ranges(slots, place)?;
        let owner = ranges
            .iter()
            .find(|(from, to, _)| (*from..=*to).contains(&slot));
        let owner = owner
            .ok_or_else(|| Failure::of_code("CLUSTERDOWN"))?
            .2
            .clone();
        let mut masters: Vec<Place> = Vec::new();
        for (_, _, node) in ranges {
            if !masters.contains(&node) {
                masters.push(node);
            }
        }
        Ok((owner, masters))
    })
}

/// The ranges of slots and their masters.
#[cfg(feature = "redis-cluster")]
fn ranges(slots: Value, asked: &Place) -> Result<Vec<(i64, i64, Place)>, Failure> {
    let Value::Array(ranges) = slots else {
        return Err(match slots {
            Value::ServerError(error) => Failure::of_code(error.code()),
            _ => Failure::Garbled,
        });
    };
    let range = |range: Value| {
        let Value::Array(range) = range else {
            return None;
        };
        let [Value::Int(from), Value::Int(to), Value::Array(master), ..] = &*range else {
            return None;
        };
        let [host, Value::Int(port), ..] = &**master else {
            return None;
        };
        let host = match host {
            Value::BulkString(host) => std::str::from_utf8(host).ok()?,
            Value::Nil => "",
            _ => return None,
        };
        // A node that does not know its own name: that under which it was asked will do.
        let host = match (host, asked) {
            ("" | "?", Place::Tcp(host, _)) => host,
            ("" | "?", Place::Unix(_)) => return None,
            (host, _) => host,
        };
        Some((
            *from,
            *to,
            Place::Tcp(host.to_owned(), u16::try_from(*port).ok()?),
        ))
    };
    let ranges: Option<Vec<_>> = ranges.into_iter().map(range).collect();
    ranges.ok_or(Failure::Garbled)
}

/// The master of that name, and the sentinel that knew it.
///
/// # Errors
/// If no sentinel that may be asked knows it.
#[cfg(feature = "redis-sentinel")]
pub(super) fn master(
    target: &Target,
    name: &str,
    sentinels: &[Place],
    deadline: Instant,
) -> Result<(Place, Place), Failure> {
    let mut command = redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(name);
    let nobody = Login {
        user: None,
        password: None,
        database: 0,
    };
    first(sentinels, deadline, |place, deadline| {
        let commands = std::slice::from_ref(&command);
        let mut answers = ask(target, place, nobody, commands, deadline)?;
        match answers.pop() {
            Some(Value::Array(address)) => {
                let [Value::BulkString(host), Value::BulkString(port)] = &*address else {
                    return Err(Failure::Garbled);
                };
                let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Failure::Garbled);
                let port = text(port)?.parse().map_err(|_| Failure::Garbled)?;
                let master = Place::Tcp(text(host)?.to_owned(), port);
                Ok((master, place.clone()))
            }
            Some(Value::Nil) => Err(Failure::Unusable(
                "the sentinels know no master of that name".to_owned(),
            )),
            Some(Value::ServerError(error)) => Err(Failure::of_code(error.code())),
            _ => Err(Failure::Garbled),
        }
    })
}
