//! Free ports for servers that go and come back.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Returns a port that nobody has, below those that connections get by themselves: a client that tries again and again to
/// reach a server that is down could otherwise come to be connected to itself.
pub(super) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id().wrapping_mul(97) % 10_000;
    loop {
        let offset = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (begin + offset) % 12_000).expect("less than 32000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
