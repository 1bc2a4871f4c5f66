//! The scripts: one for each operation, so that each is one round trip and one step.

use std::sync::LazyLock;

use redis::Script;

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// `fetch` that may give tokens and leases: not when the server is out of memory.
    Capture,
    /// `fetch` that gives neither.
    Fetch,
    Recall,
    Put,
    Touch,
    Remove,
    Purge,
    Release,
    Quarantine,
    Lift,
    Renew,
    Holders,
    Beat,
    Testify,
    Open,
    Close,
    Clear,
    Recognises,
    Declare,
}

/// A server that is out of memory refuses these. All others must be carried out: they free
/// memory, or need little of it for a short time, and what is lost if they are refused is
/// not memory.
///
/// No script has the flag `no-writes`, not even one that only reads: a server that refuses writes
/// (a replica, one that lost its replicas or its disk) refuses quarantines, so nobody may hit there.
// rule: readers-need-the-right-to-write
const BOUNDED: &str = "#!lua";
const ALWAYS: &str = "#!lua flags=allow-oom";

const COMMON: &str = include_str!("scripts/common.lua");
const EPOCH: &str = include_str!("scripts/epoch.lua");
const CELL: &str = include_str!("scripts/cell.lua");
const FETCH: &str = include_str!("scripts/fetch.lua");

impl Op {
    #[cfg(test)]
    pub(super) const ALL: [Self; 19] = [
        Self::Capture,
        Self::Fetch,
        Self::Recall,
        Self::Put,
        Self::Touch,
        Self::Remove,
        Self::Purge,
        Self::Release,
        Self::Quarantine,
        Self::Lift,
        Self::Renew,
        Self::Holders,
        Self::Beat,
        Self::Testify,
        Self::Open,
        Self::Close,
        Self::Clear,
        Self::Recognises,
        Self::Declare,
    ];

    /// The text of the script, and its digest.
    pub(super) fn script(self) -> &'static (String, Script) {
        macro_rules! script {
            ($flags:expr, $($part:expr),+) => {{
                static SCRIPT: LazyLock<(String, Script)> = LazyLock::new(|| {
                    let text = [$flags, COMMON, $($part),+].join("\n");
                    let script = Script::new(&text);
                    (text, script)
                });
                &SCRIPT
            }};
        }
        match self {
            Self::Capture => script!(BOUNDED, FETCH),
            Self::Fetch => script!(ALWAYS, FETCH),
            Self::Recall => script!(ALWAYS, include_str!("scripts/recall.lua")),
            Self::Put => script!(BOUNDED, include_str!("scripts/put.lua")),
            Self::Touch => script!(ALWAYS, include_str!("scripts/touch.lua")),
            Self::Remove => script!(ALWAYS, include_str!("scripts/remove.lua")),
            Self::Purge => script!(ALWAYS, include_str!("scripts/purge.lua")),
            Self::Release => script!(ALWAYS, include_str!("scripts/release.lua")),
            Self::Quarantine => {
                script!(ALWAYS, EPOCH, CELL, include_str!("scripts/quarantine.lua"))
            }
            Self::Lift => script!(ALWAYS, CELL, include_str!("scripts/lift.lua")),
            Self::Renew => script!(ALWAYS, CELL, include_str!("scripts/renew.lua")),
            Self::Holders => script!(ALWAYS, CELL, include_str!("scripts/holders.lua")),
            Self::Beat => script!(ALWAYS, EPOCH, include_str!("scripts/beat.lua")),
            Self::Testify => script!(ALWAYS, include_str!("scripts/testify.lua")),
            Self::Open => script!(ALWAYS, include_str!("scripts/open.lua")),
            Self::Close => script!(ALWAYS, EPOCH, include_str!("scripts/close.lua")),
            Self::Clear => script!(ALWAYS, include_str!("scripts/clear.lua")),
            Self::Recognises => {
                script!(ALWAYS, EPOCH, include_str!("scripts/recognises.lua"))
            }
            Self::Declare => script!(ALWAYS, EPOCH, include_str!("scripts/declare.lua")),
        }
    }
}
