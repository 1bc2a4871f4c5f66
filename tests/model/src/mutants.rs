//! The protocol with a rule left out, once for each rule. None of them may pass.

use crate::rule::Rule::{self, *};
use crate::scope::{CHILD, PARENT, ROW_A, ROW_B, Scope};

/// A protocol that lacks a rule.
#[derive(Debug)]
pub struct Mutant {
    /// How it is called.
    pub name: &'static str,
    /// What it lacks.
    pub lacks: &'static [Rule],
    /// The scope in which that shows.
    pub scope: fn() -> Scope,
}

impl Mutant {
    /// The scope without the rule.
    #[must_use]
    pub fn scope(&self) -> Scope {
        (self.scope)().without(self.name, self.lacks)
    }
}

fn one() -> Scope {
    Scope::new("one", "one writer, one reader")
        .strong(0, 0b01)
        .filler(2)
}

fn two() -> Scope {
    Scope::new("two", "two writers of overlapping tags, one reader")
        .strong(0, 0b01)
        .strong(1, 0b11)
        .filler(2)
}

fn evicting() -> Scope {
    one().with(|scope| scope.evicts = true)
}

fn local() -> Scope {
    Scope::new("local", "the reader is in the writer's process")
        .strong(0, 0b01)
        .filler(0)
        .filler(0)
}

fn readers() -> Scope {
    one().filler(2)
}

fn unknown() -> Scope {
    one().with(|scope| scope.faults.unknown = 1)
}

fn unknown_eventual() -> Scope {
    Scope::new("unknown, eventual", "one writer at level eventual")
        .eventual(0, 0b01)
        .filler(2)
        .with(|scope| scope.faults.unknown = 1)
}

fn crash() -> Scope {
    one().with(|scope| scope.faults.crashes = 1)
}

fn flush() -> Scope {
    one().with(|scope| scope.faults.flushes = 1)
}

fn flush_and_crash() -> Scope {
    flush().with(|scope| scope.faults.crashes = 1)
}

fn flush_and_unknown() -> Scope {
    flush().with(|scope| scope.faults.unknown = 1)
}

fn two_flushes() -> Scope {
    flush().with(|scope| {
        scope.faults.flushes = 2;
        scope.slow_testimony = true;
    })
}

fn failover() -> Scope {
    one().with(|scope| scope.faults.failovers = 1)
}

fn clear() -> Scope {
    one().with(|scope| scope.faults.clears = 1)
}

fn foreign() -> Scope {
    Scope::new(
        "foreign",
        "a writer that is not attached, and a clear after it",
    )
    .foreign(0, 0b01)
    .filler(2)
}

fn proceeding() -> Scope {
    one().with(|scope| scope.faults.silences = 1)
}

fn proceeding_local() -> Scope {
    local().with(|scope| scope.faults.silences = 1)
}

fn schema() -> Scope {
    Scope::new(
        "schema",
        "a schema change, a writer that cascades, a reader of the child",
    )
    .ddl(0)
    .strong(1, PARENT)
    .filler(2)
}

fn schema_and_crash() -> Scope {
    schema().with(|scope| scope.faults.crashes = 1)
}

fn schema_lost() -> Scope {
    Scope::new(
        "schema, lost",
        "a schema change that nobody tells of, as the store lost it",
    )
    .ddl(0)
    .strong(1, PARENT)
    .filler(1)
    .with(|scope| {
        scope.faults.flushes = 1;
        scope.faults.crashes = 1;
    })
}

fn schema_unreachable() -> Scope {
    Scope::new(
        "schema, unreachable",
        "the store is out of reach of the writer that cascades",
    )
    .ddl(0)
    .strong(1, PARENT)
    .filler(1)
    .with(|scope| scope.faults.silences = 1)
}

fn schema_eventual() -> Scope {
    Scope::new(
        "schema, eventual",
        "the writer that cascades is at level eventual",
    )
    .ddl(0)
    .eventual(1, PARENT)
    .filler(2)
}

fn schema_eventual_unknown() -> Scope {
    schema_eventual().with(|scope| scope.faults.unknown = 1)
}

fn schema_eventual_idle() -> Scope {
    schema_eventual().with(|scope| scope.idle = &[1])
}

fn view() -> Scope {
    Scope::new(
        "view",
        "a schema change that alters a view, and a reader of it",
    )
    .ddl(0)
    .strong(1, CHILD)
    .filler(2)
    .with(|scope| {
        scope.view = true;
        scope.idle = &[2];
    })
}

fn row() -> Scope {
    Scope::new("row", "a writer of a row, a reader that sees it")
        .row(0, ROW_A)
        .filler(2)
}

fn two_rows() -> Scope {
    Scope::new("two rows", "a writer of each, a reader that sees one")
        .row(0, ROW_A)
        .row(1, ROW_B)
        .filler(2)
}

fn row_proceeding() -> Scope {
    Scope::new("row, proceed", "the reader is in the writer's process")
        .row(0, ROW_A)
        .filler(0)
        .with(|scope| scope.faults.silences = 1)
}

fn row_and_foreign() -> Scope {
    Scope::new(
        "row, foreign",
        "a writer of a row that is not attached, and a clear after it",
    )
    .foreign(0, ROW_A)
    .with_rows()
    .filler(2)
}

/// Makes the table, and a test for each of its rows.
macro_rules! mutants {
    ($($name:ident lacks [$($rule:ident),*] in $scope:ident;)*) => {
        /// The mutants.
        pub const MUTANTS: &[Mutant] = &[$(Mutant {
            name: stringify!($name),
            lacks: &[$($rule),*],
            scope: $scope,
        }),*];

        #[cfg(test)]
        mod tests {
            use super::*;

            $(#[test]
            fn $name() {
                falls(stringify!($name));
            })*
        }
    };
}

mutants! {
    // Reads
    the_snapshot_precedes_the_capture lacks [CaptureBeforeSnapshot] in one;
    fills_read_a_replica lacks [ReadThePrimary] in one;
    hits_compare_nothing lacks [CompareTokens] in one;
    hits_and_puts_compare_nothing lacks [CompareTokens, PutCompares] in one;
    quarantines_do_not_block lacks [QuarantineBlocks] in one;
    a_missing_token_is_a_constant lacks [MissingIsNew] in one;
    tokens_are_counters lacks [TokensAreRandom] in evicting;
    joined_by_key lacks [JoinByVector] in readers;
    waiters_do_not_judge lacks [WaitersJudge] in readers;
    // Writes
    no_quarantine_before_commit lacks [QuarantineFirst] in one;
    acknowledgement_not_awaited lacks [AwaitAcknowledgement] in one;
    a_commit_restores lacks [CommitRenews] in one;
    unknown_renews_at_once lacks [UnknownStays] in unknown;
    unknown_renews_at_once_eventual lacks [UnknownStays] in unknown_eventual;
    a_cell_has_one_writer lacks [SetOfWriters] in two;
    the_first_one_out_cleans lacks [LastOneOut] in two;
    the_last_one_out_restores lacks [DirtyIsNotRestored] in two;
    quarantines_expire lacks [QuarantinesStay] in one;
    // RESOLVE
    resolved_without_evidence lacks [ResolveByEvidence] in one;
    resolved_by_transaction lacks [ResolveBySession] in crash;
    a_living_writer_is_reaped lacks [ReapSparesGuards] in one;
    what_was_lost_counts_as_lifted lacks [ForgetInOneEpoch] in flush_and_unknown;
    // The gate
    a_loss_opens_the_gate lacks [LossClosesTheGate] in flush;
    entries_without_nonce lacks [NonceInEntries] in foreign;
    testified_in_spite_of_guards lacks [GuardsForbid] in flush;
    testified_in_spite_of_outstanding lacks [OutstandingForbids] in flush;
    testified_in_spite_of_orphans lacks [OrphansForbid] in flush_and_unknown;
    guarded_once_acknowledged lacks [GuardComesFirst] in flush;
    opened_without_testimonies lacks [OpenNeedsTestimonies] in flush;
    opened_in_another_epoch lacks [OpenComparesEpochs] in two_flushes;
    testified_in_another_epoch lacks [TestifyComparesEpochs] in two_flushes;
    sessions_asked_for_first lacks [AskStoreFirst] in flush;
    the_dead_need_not_testify lacks [SessionsOutliveProcesses] in flush_and_crash;
    clear_drops_quarantines lacks [ClearSparesQuarantines] in clear;
    // Incarnations
    no_incarnation lacks [IncarnationInKeys] in failover;
    incarnation_of_the_connection lacks [IncarnationOfNow] in failover;
    // `proceed`
    undelivered_is_not_bypassed lacks [BypassUndelivered] in proceeding_local;
    bypass_after_the_fetch lacks [BypassBeforeFetch] in proceeding_local;
    lifts_that_find_nothing_do_nothing lacks [StrangersRenew] in proceeding;
    // Further tags
    seen_without_the_window lacks [WindowCompares] in row;
    a_quarantined_window_is_unchanged lacks [WindowBlocks] in two_rows;
    the_window_after_the_snapshot lacks [WindowBeforeSnapshot] in row;
    the_window_before_what_was_seen lacks [WindowNotBefore] in row;
    hits_compare_no_further_tags lacks [CompareFurther] in row;
    joined_by_what_is_asked_for lacks [JoinByAlso] in row;
    undelivered_rows_are_not_bypassed lacks [BypassByWindow] in row_proceeding;
    writers_do_not_touch_the_window lacks [WritersTouchWindow] in row;
    late_in_another_generation lacks [LateComparesNonces, NonceFromBefore] in row_and_foreign;
    // Schema changes
    schema_changes_do_not_close lacks [SchemaCloses] in schema;
    resolved_schema_changes_do_not_close lacks [ResolveCloses] in schema_and_crash;
    reaped_before_the_close_is_delivered lacks [ReapAfterClose] in schema;
    close_keeps_the_epoch lacks [CloseBeginsAnEpoch] in schema;
    old_catalogues_do_not_widen lacks [OldCatalogueWidens] in schema;
    catalogues_labelled_by_epoch lacks [LabelledByOpening] in schema_lost;
    views_labelled_by_epoch lacks [LabelledByOpening] in view;
    unanswered_writers_do_not_compare lacks [UnansweredCompares] in schema_unreachable;
    renewals_do_not_compare lacks [RenewalCompares] in schema_eventual;
    late_quarantines_do_not_compare lacks [LateCompares] in schema_eventual_unknown;
    marks_do_not_forget lacks [MarkForgets] in schema_eventual_idle;
    readers_do_not_compare_labels lacks [ReadersCompareLabels] in view;
}

/// Asserts that a reader is served what is stale, and prints how.
#[cfg(test)]
fn falls(name: &str) {
    let mutant = MUTANTS.iter().find(|mutant| mutant.name == name);
    let scope = mutant.map(Mutant::scope).expect("it is in the table");
    // Not the shortest way, perhaps: `cargo xtask model` looks for that.
    let outcome = crate::check::check(&scope, 1);
    let steps = outcome.stale.expect("nobody was served what is stale");
    eprintln!("{name}: {} steps, {steps:?}", steps.len());
}
