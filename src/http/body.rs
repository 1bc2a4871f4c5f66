//! The body of a response that went through the layer.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// Why a body broke.
type Broken = Box<dyn Error + Send + Sync>;

/// The body of a response: one from the cache, or the handler's own.
pub struct Body(UnsyncBoxBody<Bytes, Broken>);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

impl Body {
    /// All of it.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(
            Full::new(bytes)
                .map_err(|never| match never {})
                .boxed_unsync(),
        )
    }

    /// As the handler made it.
    pub(super) fn of<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
    {
        Self(body.map_err(Into::into).boxed_unsync())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.0).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// What was read of a body, and what it ended with.
struct Begun {
    frames: VecDeque<Frame<Bytes>>,
    broken: Option<Broken>,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let next = self.frames.pop_front().map(Ok);
        Poll::Ready(next.or_else(|| self.broken.take().map(Err)))
    }
}

/// Reads all of a body.
///
/// # Errors
/// The same once more, if it breaks, or has more than data.
pub(super) async fn collect<B>(body: B) -> Result<Bytes, Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
{
    let mut body = Box::pin(body);
    let mut frames = VecDeque::new();
    let mut is_plain = true;
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                is_plain &= frame.is_data();
                frames.push_back(frame);
            }
            Some(Err(error)) => break Some(error.into()),
            None => break None,
        }
    };
    if !is_plain || broken.is_some() {
        return Err(Body(Begun { frames, broken }.boxed_unsync()));
    }
    let mut data = frames
        .into_iter()
        .filter_map(|frame| frame.into_data().ok());
    let first = data.next().unwrap_or_default();
    let Some(second) = data.next() else {
        return Ok(first);
    };
    let mut all = first.to_vec();
    all.extend_from_slice(&second);
    data.for_each(|data| all.extend_from_slice(&data));
    Ok(all.into())
}
