//! A cancellable byte stream that records the first bytes.

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

use crate::banner::{Keys, Sieve};
use crate::client::Observed;

/// Bytes read at a time while banners are filtered.
const READ: usize = 8 * 1024;

/// A direct connection, or a channel through a jump host.
pub(crate) type Line = Either<TcpStream, ChannelStream<Msg>>;

/// Cancellable byte stream. The SSH library owns it in a separate task. Cutting the stream ends
/// that task whatever it waits for, so that nothing outlives the connection's owner.
pub(crate) struct Tether {
    stream: Line,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    observed: Arc<Observed>,
    /// Filters the banners that the library cannot parse.
    sieve: Option<Sieve>,
}

impl Tether {
    pub(crate) fn new(stream: Line, cut: CancellationToken, observed: Arc<Observed>) -> Self {
        Self {
            stream,
            cut: Box::pin(cut.cancelled_owned()),
            observed,
            sieve: None,
        }
    }

    /// Filters banners until the login is decided, once these keys are known.
    pub(crate) fn without_banners(self, keys: Keys) -> Self {
        Self {
            sieve: Some(Sieve::new(keys)),
            ..self
        }
    }

    /// Reads through the filter.
    fn poll_sieved(
        &mut self,
        sieve: &mut Sieve,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let observed = Arc::clone(&self.observed);
        let said = |text: &[u8]| observed.said(text);
        loop {
            if let Poll::Ready(bytes) = sieve.take(cx, buf.remaining(), said) {
                buf.put_slice(bytes);
                return Poll::Ready(Ok(()));
            }
            if sieve.is_waiting() {
                return Poll::Pending;
            }
            let mut room = [0; READ];
            let mut read = ReadBuf::new(&mut room);
            std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            observed.received(read.filled());
            if read.filled().is_empty() {
                sieve.end();
                if sieve.is_passing() {
                    return Poll::Ready(Ok(()));
                }
            } else {
                sieve.push(read.filled(), said);
            }
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
        if let Some(mut sieve) = self.sieve.take() {
            let polled = self.poll_sieved(&mut sieve, cx, buf);
            self.sieve = (!sieve.is_passing()).then_some(sieve);
            return polled;
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
