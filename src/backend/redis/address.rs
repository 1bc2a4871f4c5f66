//! Where a store is, as a URL says it.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// How the server is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topology {
    /// It stands in the URL.
    Single,
    /// It is the node that owns the namespace's slot. The URL names some nodes.
    #[cfg(feature = "redis-cluster")]
    Cluster,
    /// It is the master of that name. The URL names sentinels.
    #[cfg(feature = "redis-sentinel")]
    Sentinel(String),
}

/// One end point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hidden(pub(super) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A URL, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) topology: Topology,
    pub(super) tls: bool,
    pub(super) places: Vec<Place>,
    pub(super) user: Option<Hidden>,
    pub(super) password: Option<Hidden>,
    pub(super) database: u32,
}

const PORT: u16 = 6379;
#[cfg(feature = "redis-sentinel")]
const SENTINEL_PORT: u16 = 26379;

/// Whether a URL with that scheme is one of Redis, in some build of this crate.
pub(crate) fn is_scheme(scheme: &str) -> bool {
    let base = scheme.split_once('+').map_or(scheme, |(base, _)| base);
    matches!(base, "redis" | "rediss")
}

impl Address {
    /// Understands a URL without its query.
    ///
    /// # Errors
    /// What is allowed instead, in words that repeat nothing of the URL.
    pub(super) fn parse(scheme: &str, body: &str) -> Result<Self, String> {
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" => false,
            "rediss" if cfg!(feature = "tls") => true,
            "rediss" => return Err("`rediss://` with the feature `tls`".to_owned()),
            _ => return Err("`redis://…` or `rediss://…`".to_owned()),
        };
        // rule: a-url-is-understood-or-refused
        if body.contains(['#', '?']) || body.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(
                "a URL without blanks or `#`; those of a password as %20 or %23".to_owned(),
            );
        }
        let (authority, path) = match body.find('/') {
            Some(at) => body.split_at(at),
            None => (body, ""),
        };
        let (login, hosts) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (user, password) = match login {
            Some(login) => credentials(login)?,
            None => (None, None),
        };
        let with = |topology, places, database| Self {
            topology,
            tls,
            places,
            user,
            password,
            database,
        };
        match kind {
            "" => {
                let places = tcp(hosts, PORT)?;
                if places.len() != 1 {
                    return Err(
                        "one host; several with `redis+cluster://` or `redis+sentinel://`"
                            .to_owned(),
                    );
                }
                Ok(with(Topology::Single, places, database(path)?))
            }
            "unix" if tls => Err("`redis+unix://`: a socket needs no TLS".to_owned()),
            "unix" => {
                if !hosts.is_empty() || path.len() < 2 {
                    return Err("the path of a socket, such as redis+unix:///run/redis.sock".into());
                }
                let path = decoded(path)?;
                Ok(with(
                    Topology::Single,
                    vec![Place::Unix(PathBuf::from(path))],
                    0,
                ))
            }
            #[cfg(feature = "redis-cluster")]
            "cluster" => {
                if database(path)? != 0 {
                    return Err("no database index: a cluster has one database".to_owned());
                }
                Ok(with(Topology::Cluster, tcp(hosts, PORT)?, 0))
            }
            #[cfg(not(feature = "redis-cluster"))]
            "cluster" => Err("`redis+cluster://` with the feature `redis-cluster`".to_owned()),
            #[cfg(feature = "redis-sentinel")]
            "sentinel" => {
                let (name, rest) = match path.trim_start_matches('/').split_once('/') {
                    Some((name, rest)) => (name, rest),
                    None => (path.trim_start_matches('/'), ""),
                };
                if name.is_empty() {
                    return Err(
                        "the name of the master, such as redis+sentinel://h1,h2/mymaster"
                            .to_owned(),
                    );
                }
                let topology = Topology::Sentinel(decoded(name)?);
                let database = database(&format!("/{rest}"))?;
                Ok(with(topology, tcp(hosts, SENTINEL_PORT)?, database))
            }
            #[cfg(not(feature = "redis-sentinel"))]
            "sentinel" => Err("`redis+sentinel://` with the feature `redis-sentinel`".to_owned()),
            _ => Err(
                "`redis`, `redis+unix`, `redis+cluster` or `redis+sentinel`, or the same \
                      with `rediss` for TLS"
                    .to_owned(),
            ),
        }
    }
}

fn credentials(login: &str) -> Result<(Option<Hidden>, Option<Hidden>), String> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, password),
        None => return Err("`user:password@` or `:password@` before the host".to_owned()),
    };
    let text = |text: &str| -> Result<Option<Hidden>, String> {
        Ok((!text.is_empty()).then_some(Hidden(decoded(text)?)))
    };
    let (user, password) = (text(user)?, text(password)?);
    if password.is_none() {
        return Err("a password after the user".to_owned());
    }
    Ok((user, password))
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text
        .map_err(|_| "percent-encoded UTF-8".to_owned())?
        .into_owned())
}

fn database(path: &str) -> Result<u32, String> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Ok(0),
        index => index
            .parse()
            .ok()
            .filter(|index| *index <= 65_535)
            .ok_or_else(|| "the index of a database after the host, such as /0".to_owned()),
    }
}

fn tcp(hosts: &str, default: u16) -> Result<Vec<Place>, String> {
    let places: Option<Vec<Place>> = hosts.split(',').map(|host| place(host, default)).collect();
    places.ok_or_else(|| "a host, or host:port, such as redis://localhost:6379/0".to_owned())
}

/// `host`, `host:port` or `[v6]:port`.
fn place(text: &str, default: u16) -> Option<Place> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return None,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let known = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = port.map_or(Some(default), |port| {
        port.parse().ok().filter(|port| *port != 0)
    })?;
    (!host.is_empty() && host.chars().all(known)).then(|| Place::Tcp(host.to_owned(), port))
}
