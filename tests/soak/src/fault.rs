//! The faults that a run may suffer.

use std::time::Duration;

use crate::options::{Backend, Database};

/// What may go wrong.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub(crate) enum Kind {
    /// A worker is killed at a random moment, at times while its statement waits for a lock.
    KillWriter,
    /// A worker is killed at a given point around its commit.
    KillPoints,
    /// A worker is stopped, at random or at such a point, at times while the store loses
    /// everything; then it goes on.
    StopWriter,
    /// The store is killed and comes back empty.
    StoreKill,
    /// The store comes back with what it held some time ago.
    StoreRestore,
    /// The store's process is stopped.
    StoreStop,
    /// The store makes its clients wait (`CLIENT PAUSE`).
    StorePause,
    /// The store is emptied.
    #[serde(rename = "flushall")]
    FlushAll,
    /// The store has too little memory, and throws things out.
    Eviction,
    /// The network loses what is sent.
    ProxyDrop,
    /// The network is slow, or holds everything back and delivers it later.
    ProxyDelay,
    /// The network cuts connections, and refuses new ones.
    ProxyCut,
    /// A replica takes the store's place.
    Failover,
    /// The database ends sessions.
    DbKill,
    /// The network cuts connections to the database while statements wait for a lock there:
    /// they go on without their clients.
    DbCut,
    /// Somebody clears the cache.
    Clear,
    /// The store's file system has no room.
    DiskFull,
}

impl Kind {
    pub(crate) const ALL: [Self; 17] = [
        Self::KillWriter,
        Self::KillPoints,
        Self::StopWriter,
        Self::StoreKill,
        Self::StoreRestore,
        Self::StoreStop,
        Self::StorePause,
        Self::FlushAll,
        Self::Eviction,
        Self::ProxyDrop,
        Self::ProxyDelay,
        Self::ProxyCut,
        Self::Failover,
        Self::DbKill,
        Self::DbCut,
        Self::Clear,
        Self::DiskFull,
    ];

    /// Among those that are at work: none is.
    pub(crate) const NONE: u32 = 0;
    /// Among those that were lately: all is over, and everything is read once more.
    pub(crate) const AT_END: u32 = 1 << 31;
    /// Among those that were lately: all is healed, and the cache should be back.
    pub(crate) const CALM: u32 = 1 << 30;

    /// Those in which the store cannot be reached for a while, and still has its entries afterwards.
    pub(crate) const CUTS_OFF: u32 = Self::StoreStop.bit()
        | Self::StorePause.bit()
        | Self::ProxyDrop.bit()
        | Self::ProxyDelay.bit()
        | Self::ProxyCut.bit();

    /// Those in which the store, the database or a relay is out of reach, or is stopped.
    pub(crate) const OUTAGES: u32 = Self::CUTS_OFF
        | Self::StoreKill.bit()
        | Self::StoreRestore.bit()
        | Self::Failover.bit()
        | Self::StopWriter.bit()
        | Self::DbKill.bit()
        | Self::DbCut.bit();

    /// How long after its end a fault counts as lately.
    pub(crate) const AFTERMATH: Duration = Duration::from_secs(2);

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillWriter => "kill-writer",
            Self::KillPoints => "kill-points",
            Self::StopWriter => "stop-writer",
            Self::StoreKill => "store-kill",
            Self::StoreRestore => "store-restore",
            Self::StoreStop => "store-stop",
            Self::StorePause => "store-pause",
            Self::FlushAll => "flushall",
            Self::Eviction => "eviction",
            Self::ProxyDrop => "proxy-drop",
            Self::ProxyDelay => "proxy-delay",
            Self::ProxyCut => "proxy-cut",
            Self::Failover => "failover",
            Self::DbKill => "db-kill",
            Self::DbCut => "db-cut",
            Self::Clear => "clear",
            Self::DiskFull => "disk-full",
        }
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }

    /// Whether it concerns the store, of which there is one: only one such fault at a time.
    pub(crate) fn is_of_the_store(self) -> bool {
        matches!(
            self,
            Self::StoreKill
                | Self::StoreRestore
                | Self::StoreStop
                | Self::StorePause
                | Self::FlushAll
                | Self::Eviction
                | Self::ProxyDrop
                | Self::ProxyDelay
                | Self::ProxyCut
                | Self::Failover
                | Self::DiskFull
        )
    }

    /// Whether it can happen with that store and that database.
    pub(crate) fn is_possible(self, backend: Backend, database: Database) -> bool {
        let store = match backend {
            Backend::Memory => !self.is_of_the_store(),
            Backend::Redis | Backend::Tiered => self != Self::DiskFull,
            Backend::File => {
                let own = [
                    Self::StoreKill,
                    Self::StoreRestore,
                    Self::FlushAll,
                    Self::DiskFull,
                ];
                !self.is_of_the_store() || own.contains(&self)
            }
        };
        let server = database != Database::Sqlite || !matches!(self, Self::DbKill | Self::DbCut);
        store && server
    }

    /// The faults that a list names: `all`, `none`, or names with commas between them.
    ///
    /// # Errors
    /// The name that is none.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>, String> {
        match text {
            "all" => Ok(Self::ALL.to_vec()),
            "none" | "" => Ok(Vec::new()),
            names => names.split(',').map(Self::named).collect(),
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!(
                "there is no fault `{name}`; there are {}, all and none",
                names.join(", ")
            )
        })
    }

    /// The names of those whose bits are set.
    pub(crate) fn names(bits: u32) -> String {
        let set = Self::ALL.iter().filter(|kind| bits & kind.bit() != 0);
        let names: Vec<_> = set.map(|kind| kind.name()).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join("+")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_place_and_a_name() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!(Kind::list(kind.name()), Ok(vec![kind]));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(
            Kind::list("flushall,db-kill"),
            Ok(vec![Kind::FlushAll, Kind::DbKill])
        );
        assert!(Kind::list("flushall,earthquake").is_err());
    }
}
