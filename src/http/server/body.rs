//! The body of a request: read within bounds, and whether all of it was read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use tokio::time::timeout;

use crate::logging::chain;

const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    read: BodyRead,
}

/// Whether a body has been read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyRead(Arc<AtomicBool>);

impl BodyRead {
    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn complete(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Body {
    pub(crate) fn new(incoming: Incoming) -> (Self, BodyRead) {
        let read = BodyRead::default();
        if incoming.is_end_stream() {
            read.complete();
        }
        let body = Self {
            incoming,
            read: read.clone(),
        };
        (body, read)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.read.complete();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Reads a request's body of at most `max` bytes within the time for it.
///
/// # Errors
/// When it is larger, too slow or broken off.
pub(crate) async fn read_body(body: Body, max: usize) -> Result<Bytes, BodyError> {
    match timeout(BODY_TIMEOUT, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(error)) => Err(BodyError::Incomplete(chain(&*error))),
        Err(_) => Err(BodyError::TimedOut),
    }
}

/// A body that could not be read. The client may send it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client ended it early.
    #[error("read the body: {0}")]
    Incomplete(String),
    #[error("read the body: it is larger than the limit")]
    TooLarge,
    #[error("read the body: it did not arrive in time")]
    TimedOut,
}
