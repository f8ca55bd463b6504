//! The same message, however a connection cuts it.

use proxy_host::transport::framing::{Broken, Frame, Framer};

/// Short, so that the fuzzer reaches it.
const BYTES_MAX: usize = 2048;

/// A frame that outlives its buffer.
#[derive(Debug, Eq, PartialEq)]
enum Kept {
    Broken(Broken),
    KeepAlive,
    Message(Vec<u8>),
}

/// The first byte says how the rest is cut.
pub(super) fn target(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else { return };
    let whole = frames([stream].into_iter());
    assert_eq!(whole, frames(stream.chunks(1)), "byte by byte");
    assert_eq!(whole, frames(stream.chunks(usize::from(cut).max(1))), "in pieces of {cut}");
    assert_eq!(whole, frames(stream.split_inclusive(|&byte| byte == cut)), "behind every {cut}");
    let kept: usize = whole.iter().map(|frame| if let Kept::Message(bytes) = frame { bytes.len() } else { 0 }).sum();
    assert!(kept <= stream.len());
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Kept> {
    let (mut framer, mut kept) = (Framer::new(BYTES_MAX), Vec::new());
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Frame::Incomplete => break,
                Frame::KeepAlive => kept.push(Kept::KeepAlive),
                Frame::Message(message) => {
                    assert!(message.len() <= BYTES_MAX);
                    kept.push(Kept::Message(message.to_vec()));
                }
                Frame::Broken(broken, _) => {
                    kept.push(Kept::Broken(broken));
                    return kept;
                }
            }
        }
    }
    kept
}
