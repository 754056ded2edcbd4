//! Connections that can be cut in the middle of an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

/// Accepts [`Connection`]s.
#[derive(Debug)]
pub(crate) struct CuttingListener(pub(crate) TcpListener);

/// A TCP connection that its [`Scissors`] can cut.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    scissors: Scissors,
}

/// Cuts the connection of a request; passed to its handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scissors(Arc<Mutex<Cut>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Cut {
    #[default]
    None,
    /// Nothing more is sent; the peer sees a reset.
    Reset,
    /// The next answer's headers and half of its body are sent.
    Half,
    /// This many bytes more are sent, then the connection closes.
    After(usize),
}

impl Scissors {
    /// Resets the connection instead of sending the answer.
    pub(crate) fn reset(&self) {
        *self.cut() = Cut::Reset;
    }

    /// Closes the connection in the middle of the next answer's body.
    pub(crate) fn halve(&self) {
        *self.cut() = Cut::Half;
    }

    fn cut(&self) -> MutexGuard<'_, Cut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for CuttingListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Answers are small and awaited, so batching gains nothing.
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(%error, "could not set TCP_NODELAY");
                    }
                    return (
                        Connection {
                            stream,
                            scissors: Scissors::default(),
                        },
                        address,
                    );
                }
                Err(error) => {
                    // Usually out of file descriptors: waits until others close some.
                    debug!(%error, "could not accept a connection");
                    let pause = std::future::pending::<()>();
                    drop(tokio::time::timeout(Duration::from_millis(100), pause).await);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttingListener>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, CuttingListener>) -> Self {
        stream.io().scissors.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, scissors } = self.get_mut();
        let mut cut = scissors.cut();
        let allowed = match *cut {
            Cut::None => return Pin::new(stream).poll_write(cx, bytes),
            Cut::Reset => {
                stream.set_zero_linger()?;
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            Cut::After(0) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Cut::Half => middle_of_body(bytes),
            Cut::After(left) => left.min(bytes.len()),
        };
        let written = std::task::ready!(Pin::new(stream).poll_write(cx, &bytes[..allowed]))?;
        *cut = Cut::After(allowed - written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The server writes headers and the (start of the) body in one go.
fn middle_of_body(bytes: &[u8]) -> usize {
    let blank_line = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let body = blank_line.map_or(0, |at| at + 4);
    body + (bytes.len() - body) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_that_of_the_body() {
        assert_eq!(middle_of_body(b"HTTP/1.1 200 OK\r\n\r\n1234"), 21);
        assert_eq!(middle_of_body(b"1234"), 2);
    }
}
