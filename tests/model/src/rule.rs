//! The rules of the protocol, each of which can be broken alone.

/// A rule. What a model without it does instead stands with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Rule {
    /// The tokens are captured before the snapshot. *Broken:* after it.
    CaptureBeforeSnapshot,
    /// Fills read the primary. *Broken:* any earlier state of it.
    ReadThePrimary,
    /// A hit needs equal tokens. *Broken:* any entry that is there is served.
    CompareTokens,
    /// An entry of another generation is dead. *Broken:* entries have no nonce.
    NonceInEntries,
    /// A store refuses entries whose tokens are not current. *Broken:* it takes them.
    PutCompares,
    /// A quarantined tag blocks. *Broken:* its old token counts.
    QuarantineBlocks,
    /// A missing token is a new one. *Broken:* it is a constant.
    MissingIsNew,
    /// Tokens are random. *Broken:* they count, from zero where there is none.
    TokensAreRandom,
    /// A flight is joined by key and vector. *Broken:* by key.
    JoinByVector,
    /// Who waits for another process' entry judges it. *Broken:* it takes what is there.
    WaitersJudge,

    /// The quarantine comes before the statement. *Broken:* only the renewal after it.
    QuarantineFirst,
    /// The statement waits for the acknowledgement. *Broken:* it is sent at once.
    AwaitAcknowledgement,
    /// What committed renews. *Broken:* it gives the old tokens back.
    CommitRenews,
    /// Who does not know its outcome lifts nothing. *Broken:* it renews at once.
    UnknownStays,
    /// A cell has a set of writers. *Broken:* it has the last one.
    SetOfWriters,
    /// The last writer out makes a tag clean. *Broken:* the first one does.
    LastOneOut,
    /// A token under which one writer wrote does not come back. *Broken:* it does if the last
    /// one out wrote nothing.
    DirtyIsNotRestored,
    /// A lift that finds nothing renews. *Broken:* it does nothing.
    StrangersRenew,
    /// A quarantine neither ends by itself nor is evicted. *Broken:* it may go at any time.
    QuarantinesStay,

    /// An orphan is lifted when its session has ended. *Broken:* at any time.
    ResolveByEvidence,
    /// As before. *Broken:* when no statement of it is at work.
    ResolveBySession,
    /// A process reaps only what it has no guard for. *Broken:* whatever is its own.
    ReapSparesGuards,
    /// It reaps no schema change before its close is delivered. *Broken:* it does.
    ReapAfterClose,
    /// An orphan that the store does not name was lifted if nothing was lost since. *Broken:* also
    /// if something was.
    ForgetInOneEpoch,

    /// A store that has lost its gate has none. *Broken:* a new one is open.
    LossClosesTheGate,
    /// A guard of another epoch forbids to testify. *Broken:* nothing does.
    GuardsForbid,
    /// So does one whose acknowledgement is outstanding. *Broken:* it does not.
    OutstandingForbids,
    /// So does an orphan. *Broken:* it does not.
    OrphansForbid,
    /// A guard is there before its quarantine is sent. *Broken:* once it is acknowledged.
    GuardComesFirst,
    /// The opener waits for all testimonies. *Broken:* for none.
    OpenNeedsTestimonies,
    /// `open` is ignored in another epoch. *Broken:* it opens.
    OpenComparesEpochs,
    /// So is `testify`. *Broken:* it counts.
    TestifyComparesEpochs,
    /// The opener asks the store before the database. *Broken:* after it.
    AskStoreFirst,
    /// A session speaks for a process that has died. *Broken:* only living ones are asked.
    SessionsOutliveProcesses,
    /// `clear` spares the quarantines. *Broken:* it does not.
    ClearSparesQuarantines,

    /// Keys live under the incarnation. *Broken:* a restored server has what it had.
    IncarnationInKeys,
    /// The incarnation is that of now. *Broken:* that of when the connection was made.
    IncarnationOfNow,

    /// What could not be quarantined is bypassed by its own process. *Broken:* it is not.
    BypassUndelivered,
    /// That is looked up before the fetch. *Broken:* after it.
    BypassBeforeFetch,

    /// A schema change closes the gate before it lifts. *Broken:* it only lifts.
    SchemaCloses,
    /// So does who lifts for it. *Broken:* it only lifts.
    ResolveCloses,
    /// `close` begins an epoch. *Broken:* the testimonies stay.
    CloseBeginsAnEpoch,
    /// Who resolved by an old catalogue touches everything. *Broken:* what that one says.
    OldCatalogueWidens,
    /// Catalogues are labelled by the opening of the gate. *Broken:* by the epoch, and outdated
    /// before a testimony.
    LabelledByOpening,
    /// A writer that cannot ask the store compares its label with the opening that its process
    /// knows. *Broken:* it relies on its catalogue.
    UnansweredCompares,
    /// So does a renewal after the commit. *Broken:* it relies on its catalogue.
    RenewalCompares,
    /// So does a quarantine after an unknown outcome. *Broken:* it relies on its catalogue.
    LateCompares,
    /// A session that is marked makes its process forget what it knew of the gate. *Broken:* it
    /// does not.
    MarkForgets,
    /// A reader compares its catalogue's label with the gate. *Broken:* it does not.
    ReadersCompareLabels,

    /// What was seen is captured if the window has the token that it had. *Broken:* if it is clean.
    WindowCompares,
    /// A quarantined window has not. *Broken:* it has.
    WindowBlocks,
    /// The window's token is captured before the snapshot. *Broken:* after it.
    WindowBeforeSnapshot,
    /// The window is compared in the step in which what was seen is captured. *Broken:* before it.
    WindowNotBefore,
    /// As before. *Broken:* after it.
    WindowNotAfter,
    /// What was seen is captured in the generation in which the rest was. *Broken:* in any.
    LateComparesNonces,
    /// The entry is of the generation in which the rest was captured. *Broken:* of that in which
    /// what was seen was.
    NonceFromBefore,
    /// A hit needs equal tokens of further tags. *Broken:* whatever their tokens are.
    CompareFurther,
    /// What could not be quarantined is bypassed by whoever captures it besides. *Broken:* by who
    /// asks for it.
    BypassByWindow,
    /// A flight is joined by what was captured besides, too. *Broken:* by what is asked for.
    JoinByAlso,
    /// Whoever writes to a table touches its window. *Broken:* nobody does.
    WritersTouchWindow,
}

/// The rules that a model lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Broken(pub(crate) u128);

impl Broken {
    /// Without that rule, too.
    #[must_use]
    pub const fn and(self, rule: Rule) -> Self {
        Self(self.0 | 1 << rule as u8)
    }

    /// Whether the rule is broken.
    #[must_use]
    pub const fn has(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u8) != 0
    }

    /// Whether a random number that the store no longer has may matter again.
    #[must_use]
    pub const fn remembers(self) -> bool {
        self.has(Rule::CompareTokens)
            || self.has(Rule::NonceInEntries)
            || self.has(Rule::PutCompares)
            || self.has(Rule::MissingIsNew)
            || self.has(Rule::TokensAreRandom)
            || self.has(Rule::JoinByVector)
            || self.has(Rule::WaitersJudge)
            || self.has(Rule::ForgetInOneEpoch)
            || self.has(Rule::OpenComparesEpochs)
            || self.has(Rule::TestifyComparesEpochs)
            || self.has(Rule::IncarnationInKeys)
            || self.has(Rule::IncarnationOfNow)
            || self.has(Rule::WindowCompares)
            || self.has(Rule::WindowBlocks)
            || self.has(Rule::WindowBeforeSnapshot)
            || self.has(Rule::WindowNotBefore)
            || self.has(Rule::LateComparesNonces)
            || self.has(Rule::CompareFurther)
            || self.has(Rule::JoinByAlso)
    }
}
