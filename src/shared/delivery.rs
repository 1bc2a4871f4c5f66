//! What could not be told to the store yet.

use std::collections::{HashMap, VecDeque};

use crate::backend::{CacheBackend, Holder, Writer};
use crate::database::TagSpace;
use crate::error::BackendError;
use crate::protocol::Lift;
use crate::tag::Tag;
use crate::token::{Epoch, WriterId};

/// With more deliveries than this, the oldest are made one that invalidates everything.
const MOST: usize = 16_384;

/// Something that the store is to be told.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    /// A writer is at work, and nobody knows how it will end.
    Quarantine(Box<Holder>),
    /// A writer is over.
    Lift(WriterId, Vec<Tag>, Lift),
    /// Tags were written.
    Renew(Vec<Tag>),
    /// A schema was changed.
    Close(Option<TagSpace>),
    /// Everything is to be forgotten.
    Clear,
    /// What was made from a table is to be removed.
    Purge(Tag),
}

impl Delivery {
    /// Tells the store. A quarantine is acknowledged by its epoch.
    ///
    /// # Errors
    /// If it cannot be told now.
    pub(crate) fn to(&self, backend: &dyn CacheBackend) -> Result<Option<Epoch>, BackendError> {
        match self {
            Self::Quarantine(holder) => {
                let writer = Writer {
                    id: holder.writer,
                    process: holder.process,
                    space: holder.space,
                    session: holder.session.as_deref(),
                };
                return Ok(Some(backend.quarantine(&writer, &holder.tags)?.epoch));
            }
            Self::Lift(writer, tags, how) => backend.lift(*writer, tags, *how)?,
            Self::Renew(tags) => backend.renew(tags)?,
            Self::Close(space) => backend.close(*space)?,
            Self::Clear => backend.clear()?,
            Self::Purge(tag) => backend.purge(tag)?,
        }
        Ok(None)
    }

    /// The writer that it puts under quarantine.
    pub(super) fn announces(&self) -> Option<WriterId> {
        match self {
            Self::Quarantine(holder) => Some(holder.writer),
            _ => None,
        }
    }

    /// The tags that are bypassed until it is delivered.
    fn tags(&self) -> &[Tag] {
        match self {
            Self::Quarantine(holder) => &holder.tags,
            Self::Lift(_, tags, _) | Self::Renew(tags) => tags,
            Self::Close(_) | Self::Clear | Self::Purge(_) => &[],
        }
    }

    /// Whether nothing may be served until it is delivered.
    fn is_everything(&self) -> bool {
        matches!(self, Self::Close(_) | Self::Clear)
    }
}

/// Deliveries, in order, and the tags that they touch.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    queue: VecDeque<Delivery>,
    /// Whether the first of the queue is on its way.
    sending: bool,
    bypassed: HashMap<Tag, usize>,
    /// How many deliveries touch everything.
    everything: usize,
    withheld: HashMap<WriterId, Vec<Tag>>,
}

impl Backlog {
    pub(super) fn touches(&self, tags: &[Tag]) -> bool {
        self.everything > 0
            || (!self.bypassed.is_empty() && tags.iter().any(|tag| self.bypassed.contains_key(tag)))
    }

    /// Whether anything is bypassed.
    pub(super) fn bypasses(&self) -> bool {
        self.everything > 0 || !self.bypassed.is_empty()
    }

    pub(super) fn withhold(&mut self, writer: WriterId, tags: &[Tag]) {
        self.bypass(tags);
        self.withheld.entry(writer).or_default().extend(tags);
    }

    /// What the writer was withheld for is delivered.
    pub(super) fn settle(&mut self, writer: WriterId) {
        if let Some(tags) = self.withheld.remove(&writer) {
            self.admit(&tags);
        }
    }

    pub(super) fn add(&mut self, delivery: Delivery) {
        // First what is to be bypassed, so that there is no moment without it.
        self.bypass(delivery.tags());
        self.everything += usize::from(delivery.is_everything());
        if let Delivery::Lift(writer, ..) = &delivery {
            self.settle(*writer);
        }
        self.queue.push_back(delivery);
        // rule: what-waits-for-delivery-is-bounded
        if self.queue.len() > MOST {
            self.merge();
        }
    }

    /// All that waits becomes one: everything is renewed, and what is still held is lifted by
    /// the database's evidence.
    fn merge(&mut self) {
        log::warn!("too much waits for the cache's store: everything will be invalidated");
        let keep = usize::from(self.sending);
        let merged: Vec<Delivery> = self.queue.drain(keep..).collect();
        if merged.iter().any(|one| matches!(one, Delivery::Close(_))) {
            self.queue.push_back(Delivery::Close(None));
            self.everything += 1;
        }
        self.queue.push_back(Delivery::Clear);
        self.everything += 1;
        for delivery in merged {
            self.forget(&delivery);
        }
    }

    /// The next to be delivered; it stays until [`delivered`](Self::delivered).
    pub(super) fn next(&mut self) -> Option<Delivery> {
        let next = self.queue.front().cloned();
        self.sending = next.is_some();
        next
    }

    /// The one that was [next](Self::next) was delivered, or not.
    pub(super) fn delivered(&mut self, done: bool) {
        self.sending = false;
        if done && let Some(delivery) = self.queue.pop_front() {
            self.forget(&delivery);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn forget(&mut self, delivery: &Delivery) {
        self.admit(delivery.tags());
        self.everything -= usize::from(delivery.is_everything());
    }

    fn bypass(&mut self, tags: &[Tag]) {
        for tag in tags {
            *self.bypassed.entry(*tag).or_default() += 1;
        }
    }

    fn admit(&mut self, tags: &[Tag]) {
        for tag in tags {
            if let Some(count) = self.bypassed.get_mut(tag) {
                *count -= 1;
                if *count == 0 {
                    self.bypassed.remove(tag);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str) -> Tag {
        Tag::label(name)
    }

    #[test]
    fn tags_are_bypassed_until_all_that_touches_them_is_delivered() {
        let mut backlog = Backlog::default();
        let writer = WriterId::fresh();
        backlog.withhold(writer, &[tag("a")]);
        assert!(backlog.touches(&[tag("b"), tag("a")]) && !backlog.touches(&[tag("b")]));
        assert!(backlog.is_empty());
        backlog.add(Delivery::Lift(writer, vec![tag("a")], Lift::Renew));
        backlog.add(Delivery::Renew(vec![tag("a"), tag("b")]));
        assert!(backlog.touches(&[tag("a")]) && backlog.touches(&[tag("b")]));
        assert!(matches!(backlog.next(), Some(Delivery::Lift(..))));
        backlog.delivered(false);
        assert!(matches!(backlog.next(), Some(Delivery::Lift(..))));
        backlog.delivered(true);
        assert!(backlog.touches(&[tag("a")]), "the second touches it too");
        backlog.next();
        backlog.delivered(true);
        assert!(!backlog.touches(&[tag("a"), tag("b")]) && backlog.is_empty());
    }

    #[test]
    fn too_much_becomes_everything() {
        let mut backlog = Backlog::default();
        backlog.add(Delivery::Renew(vec![tag("first")]));
        backlog.next();
        for n in 0..=MOST {
            backlog.add(Delivery::Renew(vec![tag(&n.to_string())]));
        }
        assert!(backlog.len() < 10, "{}", backlog.len());
        assert!(backlog.touches(&[tag("anything")]));
        assert!(matches!(backlog.next(), Some(Delivery::Renew(_))));
        backlog.delivered(true);
        assert!(matches!(backlog.next(), Some(Delivery::Clear)));
        backlog.delivered(true);
        assert!(!backlog.touches(&[tag("anything")]), "{backlog:?}");
        while backlog.next().is_some() {
            backlog.delivered(true);
        }
        assert!(
            backlog.bypassed.is_empty() && backlog.everything == 0,
            "{backlog:?}"
        );
    }
}
