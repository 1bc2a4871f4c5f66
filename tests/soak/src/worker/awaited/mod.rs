//! Workers whose connections are awaited. Each thread of others is a task here, and any future
//! may be given up wherever it waits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

pub(super) mod mariadb;
pub(super) mod postgres;
pub(super) mod sqlite;

/// Polls a future, and gives it up when it waits for that many times. Returns what it came to,
/// if it came to anything.
async fn give_up<T>(after: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut waits = 0;
    poll_fn(|task| match work.as_mut().poll(task) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if waits >= after => Poll::Ready(None),
        Poll::Pending => {
            waits += 1;
            Poll::Pending
        }
    })
    .await
}
