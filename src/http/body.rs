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

/// A body of which something was read already.
struct Begun<B> {
    frames: VecDeque<Frame<Bytes>>,
    rest: Rest<B>,
}

/// What is left of a body.
enum Rest<B> {
    Body(Pin<Box<B>>),
    Broken(Broken),
    Nothing,
}

impl<B> http_body::Body for Begun<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<Broken>>,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Some(frame) = this.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match std::mem::replace(&mut this.rest, Rest::Nothing) {
            Rest::Body(mut body) => {
                let frame = body.as_mut().poll_frame(task);
                this.rest = Rest::Body(body);
                frame.map_err(Into::into)
            }
            Rest::Broken(error) => Poll::Ready(Some(Err(error))),
            Rest::Nothing => Poll::Ready(None),
        }
    }
}

/// Reads all of a body that is said to be so long.
///
/// # Errors
/// The same once more, if it is longer, breaks, or has more than data.
pub(super) async fn collect<B>(body: B, length: u64) -> Result<Bytes, Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
{
    let mut body = Box::pin(body);
    let mut frames = VecDeque::new();
    let mut left = length;
    let rest = loop {
        let (fits, frame) = match body.frame().await {
            None => break Rest::Nothing,
            Some(Err(error)) => break Rest::Broken(error.into()),
            Some(Ok(frame)) => {
                let size = frame.data_ref().map(|data| data.len() as u64);
                let fits = size.is_some_and(|size| size <= left);
                left = left.saturating_sub(size.unwrap_or_default());
                (fits, frame)
            }
        };
        frames.push_back(frame);
        if !fits {
            break Rest::Body(body);
        }
    };
    if !matches!(rest, Rest::Nothing) {
        return Err(Body(Begun { frames, rest }.boxed_unsync()));
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
