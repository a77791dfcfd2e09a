//! A lingering close (RFC 9112 section 9.6): who is still sending when its connection ends gets to read its answer.
//!
//! A socket that is closed while unread bytes wait in it is reset, and a reset takes away what the other end has not read
//! yet. So our half is closed first, and for a while whatever comes is thrown away.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// For so long at most.
const TIME: Duration = Duration::from_secs(5);
/// As long as its sender does not pause for longer.
const PAUSE: Duration = Duration::from_secs(1);
/// What is read at once, bytes. There may be as many of these as connections.
const PIECE: usize = 4 << 10;

/// Throws away what comes until the other end closes its half, too, or time is up.
pub async fn linger(stream: &TcpStream) {
    let read = async {
        let mut scrap = [0; PIECE];
        while let Ok(Ok(())) = tokio::time::timeout(PAUSE, stream.readable()).await {
            match stream.try_read(&mut scrap) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    };
    // Whoever takes longer is cut off.
    let _ = tokio::time::timeout(TIME, read).await;
}
