//! Loopback addresses for hosts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::net::{TcpListener, TcpSocket};

use crate::driver::DriverError;

/// The start of 127.64.0.0/10, the range of the hosts' addresses.
const FIRST: u32 = 0x7f40_0000;

/// The number of addresses in that block.
const COUNT: u32 = 1 << 22;

/// Most addresses tried.
const TRIES: u32 = 4096;

/// Chooses the port of all hosts: 22 if it is available, else 2222.
///
/// An sshd of this machine that listens on every address occupies port 22 on all of them, so
/// several addresses are tried.
pub(crate) fn choose_port() -> Result<u16, DriverError> {
    let mut last = None;
    for port in [22, 2222] {
        for _ in 0..4 {
            match listen(random_address()?, port) {
                Ok(_) => return Ok(port),
                Err(error) => last = Some(error),
            }
        }
    }
    Err(DriverError {
        message: format!(
            "neither port 22 nor port 2222 can be bound on 127.64.0.0/10: {}",
            last.map_or_else(String::new, |error| error.to_string())
        ),
    })
}

/// Listens on a free address, which is reserved while the listener lives.
///
/// The search starts at a random address, so that concurrent sandboxes seldom collide.
pub(crate) fn reserve(port: u16) -> Result<(TcpListener, Ipv4Addr), DriverError> {
    let mut address = random_address()?;
    for _ in 0..TRIES {
        match listen(address, port) {
            Ok(listener) => return Ok((listener, address)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => address = next(address),
            Err(error) => {
                return Err(DriverError {
                    message: format!("cannot listen on {address}:{port}: {error}"),
                });
            }
        }
    }
    Err(DriverError {
        message: format!("no free address on port {port} in 127.64.0.0/10"),
    })
}

/// Listens on an address.
pub(crate) fn listen(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    bind(address, port)?.listen(128)
}

/// Binds a socket without listening, so that connections are refused.
pub(crate) fn bind(address: Ipv4Addr, port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections of a listener that was closed before linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::V4(SocketAddrV4::new(address, port)))?;
    Ok(socket)
}

fn random_address() -> Result<Ipv4Addr, DriverError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| DriverError {
        message: format!("no random bytes: {error}"),
    })?;
    Ok(usable(u32::from_le_bytes(bytes) % COUNT))
}

fn next(address: Ipv4Addr) -> Ipv4Addr {
    usable((u32::from(address) - FIRST + 1) % COUNT)
}

/// Skips addresses that look like a network's or a broadcast address.
fn usable(mut offset: u32) -> Ipv4Addr {
    while matches!(offset & 0xff, 0 | 0xff) {
        offset = (offset + 1) % COUNT;
    }
    Ipv4Addr::from(FIRST + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_step_over_network_and_broadcast() {
        assert_eq!(
            next(Ipv4Addr::new(127, 64, 0, 254)),
            Ipv4Addr::new(127, 64, 1, 1)
        );
        assert_eq!(
            next(Ipv4Addr::new(127, 127, 255, 254)),
            Ipv4Addr::new(127, 64, 0, 1)
        );
    }

    #[tokio::test]
    async fn a_reserved_address_is_not_given_out_again() {
        let port = choose_port().unwrap();
        let (_held, address) = reserve(port).unwrap();
        let taken = listen(address, port).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
