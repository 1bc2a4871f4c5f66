//! What is written once, for those who await and for those who block.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Does at once what waits for nothing but what blocks: its futures are ready when they are made.
pub(crate) fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        // The second time never comes: what is ready is not waited for.
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        std::thread::yield_now();
    }
}
