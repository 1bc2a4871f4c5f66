//! The rules of a backend, one by one.

/// A rule that a [`Reference`](super::Reference) can be told to break: to see that a test catches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// What was renewed has another token.
    RenewalsRenew,
    /// A renewal reaches a tag that is quarantined.
    RenewalsMarkWhatIsHeld,
    /// A quarantine blocks.
    QuarantinesBlock,
    /// A lift ends only the quarantine of its own writer.
    LiftsSpareOthers,
    /// A lift that finds nothing renews.
    LateLiftsRenew,
    /// What one writer of several has written counts after the last one has gone.
    DirtStays,
    /// A writer that wrote nothing leaves the token as it was.
    RestoresRestore,
    /// A lift ends all that its writer holds.
    LiftsAreWhole,
    /// A token that was lost does not come back.
    TokensAreUnique,
    /// A token stays as long as nothing is written.
    TokensStay,
    /// What comes too late is refused.
    LateFillsAreRefused,
    /// What was read before a clear is refused.
    ClearsReachFills,
    /// A clear ends the entries.
    ClearsReachEntries,
    /// A clear leaves the quarantines.
    ClearsSpareQuarantines,
    /// A valid entry is not replaced by one that is to be added.
    AddsAdd,
    /// An entry that is no longer valid is.
    AddsReplaceTheDead,
    /// An entry is under its own key only.
    KeysDiffer,
    /// An entry is whole.
    EntriesAreWhole,
    /// What is removed is gone.
    RemovalsRemove,
    /// What is purged is gone, and nothing else.
    PurgesPurge,
    /// A touch moves the end of a valid entry.
    TouchesMoveTheEnd,
    /// A touch heeds the latest end.
    TouchesHeedTheLatestEnd,
    /// A touch leaves what has ended alone.
    TouchesReviveNothing,
    /// An empty store is closed.
    EmptyStoresAreClosed,
    /// What is open stays open under the same name.
    OpeningsLast,
    /// A catalogue that looks different is not recognised.
    CataloguesAreRemembered,
    /// An opening of another epoch is ignored.
    OpeningsAreOfTheirEpoch,
    /// A testimony of another epoch is ignored.
    TestimoniesAreOfTheirEpoch,
    /// A closing begins a new epoch.
    ClosingsBeginAnEpoch,
    /// A closing closes one database.
    ClosingsSpareOthers,
    /// What is declared stays declared.
    DeclarationsAddUp,
    /// A new declaration closes the gate.
    DeclarationsClose,
    /// An entry with further tags is found by those that it begins with.
    EntriesMayGoOn,
    /// Further tags are those after the ones that were asked for.
    FurtherIsAfterTheAsked,
    /// An entry ends with any of its further tags.
    FurtherTagsCount,
    /// It is told that a further tag is quarantined.
    FurtherQuarantinesAreTold,
    /// A tag that is wanted also is given a token.
    AlsoIsEstablished,
    /// What is wanted also is told in its order.
    AlsoIsInOrder,
    /// What is wanted also has no say in the lease.
    AlsoHasNoSay,
    /// Nobody gets a lease while a further tag of the entry is quarantined.
    NoLeaseForWhatIsHeld,
    /// A lease is given to one.
    LeasesAreExclusive,
    /// A lease ends with the entry.
    LeasesEndWithThePut,
    /// A lease ends by itself.
    LeasesEndByThemselves,
    /// A release ends one's own lease only.
    ReleasesSpareOthers,
    /// Those who hold a tag are told.
    HoldersAreTold,
    /// Nothing grows with invalidations.
    InvalidationsLeaveNothing,
}

impl Rule {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::RenewalsRenew,
        Self::RenewalsMarkWhatIsHeld,
        Self::QuarantinesBlock,
        Self::LiftsSpareOthers,
        Self::LateLiftsRenew,
        Self::DirtStays,
        Self::RestoresRestore,
        Self::LiftsAreWhole,
        Self::TokensAreUnique,
        Self::TokensStay,
        Self::LateFillsAreRefused,
        Self::ClearsReachFills,
        Self::ClearsReachEntries,
        Self::ClearsSpareQuarantines,
        Self::AddsAdd,
        Self::AddsReplaceTheDead,
        Self::KeysDiffer,
        Self::EntriesAreWhole,
        Self::RemovalsRemove,
        Self::PurgesPurge,
        Self::TouchesMoveTheEnd,
        Self::TouchesHeedTheLatestEnd,
        Self::TouchesReviveNothing,
        Self::EmptyStoresAreClosed,
        Self::OpeningsLast,
        Self::CataloguesAreRemembered,
        Self::OpeningsAreOfTheirEpoch,
        Self::TestimoniesAreOfTheirEpoch,
        Self::ClosingsBeginAnEpoch,
        Self::ClosingsSpareOthers,
        Self::DeclarationsAddUp,
        Self::DeclarationsClose,
        Self::EntriesMayGoOn,
        Self::FurtherIsAfterTheAsked,
        Self::FurtherTagsCount,
        Self::FurtherQuarantinesAreTold,
        Self::AlsoIsEstablished,
        Self::AlsoIsInOrder,
        Self::AlsoHasNoSay,
        Self::NoLeaseForWhatIsHeld,
        Self::LeasesAreExclusive,
        Self::LeasesEndWithThePut,
        Self::LeasesEndByThemselves,
        Self::ReleasesSpareOthers,
        Self::HoldersAreTold,
        Self::InvalidationsLeaveNothing,
    ];
}
