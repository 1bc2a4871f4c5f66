//! What a read asks the store for, where it must outlive the read.

use std::sync::Arc;

use crate::core::Question;
use crate::database::TagSpace;
use crate::key::Key;
use crate::tag::Tag;
use crate::token::Opening;

/// A [`Question`] that borrows nothing.
#[derive(Debug)]
pub(super) struct Owned {
    key: Key,
    tags: Arc<[Tag]>,
    also: Arc<[Tag]>,
    space: TagSpace,
    opening: Option<Opening>,
    refresh: bool,
    leases: bool,
    stale_after_write: bool,
}

impl Owned {
    pub(super) fn of(question: &Question<'_>) -> Self {
        Self {
            key: question.key.clone(),
            tags: question.tags.into(),
            also: question.also.into(),
            space: question.space,
            opening: question.opening,
            refresh: question.refresh,
            leases: question.leases,
            stale_after_write: question.stale_after_write,
        }
    }

    pub(super) fn question(&self) -> Question<'_> {
        Question {
            key: &self.key,
            tags: &self.tags,
            also: &self.also,
            space: self.space,
            opening: self.opening,
            refresh: self.refresh,
            leases: self.leases,
            stale_after_write: self.stale_after_write,
        }
    }
}
