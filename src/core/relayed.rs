//! What the relay tells the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Core, Way};
use crate::catalogue::Writes;
use crate::database::TagSpace;
use crate::error::BackendError;
use crate::event::Source;
use crate::resolve::write_tags;
use crate::tag::Tag;

/// How many tags the store is told at once.
const AT_ONCE: usize = 4096;

impl Core {
    /// Tells the store that these tables, and these tags, were written, and waits for its answer.
    ///
    /// Nothing of it waits in this process if it fails: the rows that say it are still there.
    ///
    /// # Errors
    /// If the store cannot be told.
    pub(crate) fn relay(
        self: &Arc<Self>,
        writes: &Writes,
        tags: &BTreeSet<Tag>,
        space: TagSpace,
    ) -> Result<(), BackendError> {
        let mut all = write_tags(writes, Some(space));
        all.extend(tags);
        // rule: a-relayed-schema-change-closes-the-gate
        if all.contains(&Tag::schema(space)) || all.contains(&Tag::root()) {
            self.backend.close(Some(space))?;
        }
        for some in all.chunks(AT_ONCE) {
            self.backend.renew(some)?;
        }
        self.invalidated(writes, Some(space), Source::Outbox, &all, Way::Here);
        Ok(())
    }
}
