//! What a server says of itself, and whether that will do.

use crate::config::Level;

use super::failure::Failure;

/// A server in one term: from its start, or its promotion, to its end, or its demotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// 16 hexadecimal digits for the run and the term. Everything stands under it.
    pub(super) incarnation: String,
    /// The replication id of the term, which scripts verify; empty if it is not known.
    pub(super) term: String,
}

/// What `INFO` says, as far as it matters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts<'a> {
    run: &'a str,
    term: &'a str,
    role: &'a str,
    version: &'a str,
    valkey: bool,
    policy: &'a str,
    cluster: bool,
}

fn facts(info: &str) -> Facts<'_> {
    let mut facts = Facts::default();
    for line in info.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim_end();
        match name {
            "run_id" => facts.run = value,
            "master_replid" => facts.term = value,
            "role" => facts.role = value,
            "redis_version" => facts.version = value,
            "server_name" => facts.valkey |= value == "valkey",
            "valkey_version" => facts.valkey = true,
            "maxmemory_policy" => facts.policy = value,
            "cluster_enabled" => facts.cluster = value == "1",
            _ => {}
        }
    }
    facts
}

impl Server {
    /// Judges what `INFO` answered; `None` if it was refused.
    ///
    /// # Errors
    /// Why this server is not used.
    pub(super) fn judge(
        info: Option<&str>,
        level: Level,
        in_cluster: bool,
    ) -> Result<Self, Failure> {
        let unusable = |reason: &str| Err(Failure::Unusable(reason.to_owned()));
        let strong = level != Level::Eventual;
        let Some(info) = info else {
            // rule: an-unknown-server-promises-nothing
            if strong {
                return unusable(
                    "the store refuses INFO: without its run id and its policy of eviction the \
                     level `strong` cannot be kept. Grant INFO (`+info`), or choose `level = \
                     \"eventual\"`",
                );
            }
            return Ok(Self::new("", ""));
        };
        let facts = facts(info);
        let major = facts.version.split('.').next().unwrap_or_default();
        let recent = major.parse::<u32>().is_ok_and(|major| major >= 7);
        if !recent && !facts.valkey {
            return unusable("the store is too old: Redis 7.0 or later, or Valkey, is needed");
        }
        if facts.cluster != in_cluster {
            return unusable(if in_cluster {
                "the store is not a cluster: use `redis://` instead of `redis+cluster://`"
            } else {
                "the store is a node of a cluster: use `redis+cluster://`"
            });
        }
        if facts.role != "master" {
            return Err(Failure::Refused("READONLY".to_owned()));
        }
        let known = |id: &str| id.len() == 40 && id.bytes().all(|c| c.is_ascii_hexdigit());
        if !known(facts.run) || !known(facts.term) {
            if strong {
                return unusable(
                    "the store does not say its run id and its replication id: the level \
                     `strong` cannot be kept. Choose `level = \"eventual\"`",
                );
            }
            return Ok(Self::new("", ""));
        }
        // rule: quarantines-are-never-evicted
        let keeps = facts.policy == "noeviction" || facts.policy.starts_with("volatile-");
        if strong && !keeps {
            return unusable(if facts.policy.is_empty() {
                "the store does not say its policy of eviction: the level `strong` cannot be \
                 kept. Choose `level = \"eventual\"`"
            } else {
                "the store may evict quarantines (`maxmemory-policy` is one of `allkeys-…`): the \
                 level `strong` needs `noeviction` or one of `volatile-…`"
            });
        }
        Ok(Self::new(facts.run, facts.term))
    }

    // rule: another-term-is-another-incarnation
    fn new(run: &str, term: &str) -> Self {
        let hash = blake3::hash(format!("{run} {term}").as_bytes()).to_hex();
        Self {
            incarnation: hash[..16].to_owned(),
            term: term.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0123456789abcdef0123456789abcdef01234567";
    const TERM: &str = "fedcba9876543210fedcba9876543210fedcba98";

    fn info(change: &[(&str, &str)]) -> String {
        let mut lines = vec![
            ("redis_version", "7.0.15"),
            ("run_id", RUN),
            ("role", "master"),
            ("master_replid", TERM),
            ("maxmemory_policy", "noeviction"),
            ("cluster_enabled", "0"),
        ];
        for (name, value) in change {
            lines.retain(|(known, _)| known != name);
            lines.push((name, value));
        }
        let lines = lines
            .iter()
            .map(|(name, value)| format!("{name}:{value}\r\n"));
        format!("# Server\r\n{}", lines.collect::<String>())
    }

    fn reason(change: &[(&str, &str)], level: Level) -> String {
        match Server::judge(Some(&info(change)), level, false) {
            Err(failure) => failure.to_string(),
            Ok(server) => panic!("{server:?} will do"),
        }
    }

    #[test]
    fn each_run_and_each_term_is_an_incarnation() {
        let judge = |change: &[(&str, &str)]| {
            Server::judge(Some(&info(change)), Level::Strong, false).unwrap()
        };
        let base = judge(&[]);
        assert_eq!(base, judge(&[("redis_version", "8.2.1")]));
        assert_eq!(base.term, TERM);
        assert_ne!(base.incarnation, judge(&[("run_id", TERM)]).incarnation);
        assert_ne!(
            base.incarnation,
            judge(&[("master_replid", RUN)]).incarnation
        );
    }

    #[test]
    fn what_cannot_keep_the_promise_is_refused() {
        let evicting: &[_] = &[("maxmemory_policy", "allkeys-lru")];
        assert!(reason(evicting, Level::Strong).contains("volatile-"));
        assert!(Server::judge(Some(&info(evicting)), Level::Eventual, false).is_ok());
        let volatile = info(&[("maxmemory_policy", "volatile-ttl")]);
        assert!(Server::judge(Some(&volatile), Level::Strong, false).is_ok());
        assert!(reason(&[("redis_version", "6.2.14")], Level::Eventual).contains("7.0"));
        assert!(reason(&[("cluster_enabled", "1")], Level::Strong).contains("redis+cluster"));
        assert!(reason(&[("role", "slave")], Level::Eventual).contains("READONLY"));
        assert!(reason(&[("run_id", "")], Level::Strong).contains("run id"));
        assert!(reason(&[("maxmemory_policy", "")], Level::Strong).contains("eviction"));
    }

    #[test]
    fn without_info_there_is_no_strong_level() {
        let refused = Server::judge(None, Level::Strong, false).unwrap_err();
        assert!(refused.to_string().contains("+info"), "{refused}");
        let server = Server::judge(None, Level::Eventual, false).unwrap();
        assert_eq!(server.term, "");
    }

    #[test]
    fn valkey_will_do_whatever_version_it_says() {
        let valkey = info(&[("redis_version", "7.2.4"), ("server_name", "valkey")]);
        assert!(Server::judge(Some(&valkey), Level::Strong, false).is_ok());
    }
}
