//! A run of bytes inside one datagram, as offset and length.
//!
//! Spans cross the module ABI, so they may come from elsewhere: reading one outside its datagram yields an empty
//! slice, never a panic.

/// Where a piece of a message lies in the bytes it was scanned from.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The span of nothing, at the beginning.
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    /// Returns the span from `start` up to, not including, `end`; empty where the two cross or exceed 32 bits.
    #[inline]
    pub fn new(start: usize, end: usize) -> Self {
        match (u32::try_from(start), u32::try_from(end.saturating_sub(start))) {
            (Ok(start), Ok(len)) => Self { start, len },
            _ => Self::EMPTY,
        }
    }

    /// Returns the span of `part`, or `None` where it is not a piece of `whole`.
    pub fn locate(whole: &[u8], part: &[u8]) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = start.checked_add(part.len())?;
        (end <= whole.len()).then(|| Self::new(start, end))
    }

    /// Returns the bytes of `raw` it covers: none where it reaches outside.
    #[inline]
    pub fn of(self, raw: &[u8]) -> &[u8] {
        let start = self.start as usize;
        raw.get(start..start.saturating_add(self.len as usize)).unwrap_or_default()
    }

    /// Returns whether it lies inside `len` bytes.
    #[inline]
    pub fn within(self, len: usize) -> bool {
        u64::from(self.start) + u64::from(self.len) <= len as u64
    }

    /// Returns whether it covers no byte.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_outside_its_datagram_reads_as_nothing() {
        let raw = b"0123456789";
        let check = |start, len, expected: &[u8]| assert_eq!(Span { start, len }.of(raw), expected);
        check(0, 10, b"0123456789");
        check(3, 4, b"3456");
        check(10, 0, b"");
        check(3, 8, b"");
        check(11, 0, b"");
        check(u32::MAX, u32::MAX, b"");
    }

    #[test]
    fn within_says_what_of_would_read() {
        assert!(Span { start: 4, len: 6 }.within(10));
        assert!(!Span { start: 5, len: 6 }.within(10));
        assert!(!Span { start: u32::MAX, len: u32::MAX }.within(10));
    }

    #[test]
    fn a_crossed_pair_of_offsets_is_empty() {
        assert!(Span::new(7, 3).is_empty());
        assert_eq!(Span::new(usize::MAX, usize::MAX), Span::EMPTY);
    }

    #[test]
    fn a_piece_is_located_only_in_what_it_was_cut_from() {
        let raw = b"Via: a, b".to_vec();
        assert_eq!(Span::locate(&raw, &raw[5..6]), Some(Span { start: 5, len: 1 }));
        assert_eq!(Span::locate(&raw[..4], &raw[5..6]), None);
        assert_eq!(Span::locate(&raw[6..], &raw[5..6]), None);
    }
}
