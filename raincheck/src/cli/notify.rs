//! Tells systemd, or who else started a service so, how far it is: `sd_notify(3)`, by hand.

use std::{io, os::unix::net::UnixDatagram, path::Path};

use rustix::time::{ClockId, clock_gettime};

/// It can be used.
pub fn ready() {
    tell("READY=1");
}

/// It has begun to stop.
pub fn stopping() {
    tell("STOPPING=1");
}

/// It reads its settings again; [`ready`] says when that is over.
pub fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(Path::new(&socket), state) {
        tracing::warn!(%error, socket = %socket.to_string_lossy(), "cannot tell who started this how far it is");
    }
}

fn send(path: &Path, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // Who does not take it is not waited for.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address(path)?).map(drop)
}

/// `@name` is an abstract one, which only Linux has.
#[cfg(target_os = "linux")]
fn address(path: &Path) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::{
        linux::net::SocketAddrExt as _,
        unix::{ffi::OsStrExt as _, net::SocketAddr},
    };
    match path.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(path),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(path: &Path) -> io::Result<std::os::unix::net::SocketAddr> {
    std::os::unix::net::SocketAddr::from_pathname(path)
}
