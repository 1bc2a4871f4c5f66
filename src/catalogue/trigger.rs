//! Triggers and rules: what runs when a table is written.

use super::code::is_one_of;
use super::{Code, Events, Language};
use crate::dialect::Dialect;
use crate::footprint::{self, Piece};

/// A trigger or a rule.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// When it fires.
    pub events: Events,
    /// Whether it may change a row before it is stored, or do something else instead.
    pub before: bool,
    /// What it runs.
    pub code: Code,
}

impl Trigger {
    /// SQLite's trigger of that definition.
    #[must_use]
    pub fn of_sqlite(sql: &str) -> Self {
        let anything = Self {
            events: Events::ALL,
            before: true,
            code: Code::opaque(),
        };
        let Some(pieces) = footprint::pieces(sql, Dialect::Sqlite) else {
            return anything;
        };
        let place = |word: &str| pieces.iter().position(|p| is_one_of(Some(*p), &[word]));
        let (Some(on), Some(begin)) = (place("on"), place("begin")) else {
            return anything;
        };
        let mut events = Events::NONE;
        for piece in pieces.iter().take(on).copied() {
            for (word, event) in [
                ("insert", Events::INSERT),
                ("update", Events::UPDATE),
                ("delete", Events::DELETE),
            ] {
                if is_one_of(Some(piece), &[word]) {
                    events = events | event;
                }
            }
        }
        // What stands before the body is read, but for the functions that it calls.
        let (head, body) = pieces.split_at(begin);
        let mut code = Code::of_pieces(body, Language::Sqlite);
        code.calls
            .extend(Code::of_pieces(head, Language::Sqlite).calls);
        if events == Events::NONE {
            events = Events::ALL;
        }
        Self {
            events,
            before: !is_after(&pieces[..on]),
            code,
        }
    }
}

/// Whether the head of SQLite's trigger says `AFTER`: between a name, which may be that word,
/// and an event. A trigger that does not say when it fires does so before.
// rule: a-trigger-fires-before-unless-it-says-after
fn is_after(head: &[Piece<'_>]) -> bool {
    let name = |piece| match piece {
        Piece::Quoted(_) => true,
        Piece::Word(word) => !["trigger", "exists"].contains(&&*word.to_ascii_lowercase()),
        Piece::Symbol(_) => false,
    };
    head.windows(3).any(|three| {
        name(three[0])
            && is_one_of(Some(three[1]), &["after"])
            && is_one_of(Some(three[2]), &["insert", "update", "delete"])
    })
}
