//! What the reference does about tags that are asked for, and those that an entry has beyond them.

use std::time::Instant;

use super::super::state::{Cell, State};
use super::{Reference, Rule};
use crate::backend::Ask;
use crate::entry::Entry;
use crate::protocol::{Fetched, Further, Judgement, TagState, judge};
use crate::tag::Tag;

impl Reference {
    /// Gives tags that are missing a token.
    pub(super) fn establish(&self, state: &mut State, ask: &Ask<'_>) {
        if !ask.establish {
            return;
        }
        let also = match self.breaks(Rule::AlsoIsEstablished) {
            true => &[],
            false => ask.also,
        };
        for tag in ask.tags.iter().chain(also) {
            let fresh = self.fresh(*tag);
            if self.breaks(Rule::TokensStay) {
                self.renew_one(state, tag);
            }
            state.cells.entry(*tag).or_insert(Cell::Clean(fresh));
        }
    }

    /// How the tags of an entry stand that it has after those that are asked for.
    pub(super) fn further(&self, state: &State, entry: Option<&Entry>, asked: &[Tag]) -> Further {
        let whole = self.breaks(Rule::FurtherIsAfterTheAsked);
        let begins = |entry: &&Entry| entry.tags.starts_with(asked) || whole;
        let Some(entry) = entry.filter(begins) else {
            return Further::None;
        };
        let held = entry.tags.iter().zip(&entry.vector.tokens);
        let rest = held.skip(if whole { 0 } else { asked.len() });
        match Further::of(rest.map(|(tag, token)| (self.state(state, tag), *token))) {
            Further::None => Further::None,
            _ if self.breaks(Rule::EntriesMayGoOn) => Further::None,
            _ if self.breaks(Rule::FurtherTagsCount) => Further::Current,
            Further::Quarantined if self.breaks(Rule::FurtherQuarantinesAreTold) => {
                Further::Outdated
            }
            word => word,
        }
    }

    /// Whether the asker is to make the entry.
    pub(super) fn may_be_made(&self, fetched: &Fetched, asked: &[Tag]) -> bool {
        let clean = |state: &TagState| matches!(state, TagState::Clean(_));
        if self.breaks(Rule::AlsoHasNoSay) && !fetched.also.iter().all(clean) {
            return false;
        }
        match judge(fetched.clone(), asked) {
            Judgement::Hit(entry) => entry.expires_at <= Instant::now(),
            Judgement::Miss(_) => true,
            Judgement::Quarantined => {
                self.breaks(Rule::NoLeaseForWhatIsHeld) && fetched.states.iter().all(clean)
            }
            Judgement::Establish | Judgement::Closed => false,
        }
    }
}
