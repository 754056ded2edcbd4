//! A byte stream that can be cut from outside, and that remembers the first bytes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::client::Observed;

/// A connection of our own, or a channel through a jump host.
pub(crate) type Line = Either<TcpStream, ChannelStream<Msg>>;

/// The SSH library owns the stream in a task of its own. Cutting the tether ends that task
/// whatever it waits for, so that nothing outlives the connection's owner.
pub(crate) struct Tether {
    stream: Line,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    observed: Arc<Observed>,
}

impl Tether {
    pub(crate) fn new(stream: Line, cut: CancellationToken, observed: Arc<Observed>) -> Self {
        Self {
            stream,
            cut: Box::pin(cut.cancelled_owned()),
            observed,
        }
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.cut.as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Tether {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // End of file.
        if self.is_cut(cx) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.observed.received(&buf.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Tether {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
