//! Several texts in one allocation, read in the order they were written.
//!
//! In front of each stands its length and one more, in digits of six bits, the least significant first, each in a byte of
//! ASCII; 0 says that the text is the one before it.

use std::sync::Arc;

/// Texts, one behind the other.
#[derive(Clone, Eq, PartialEq)]
pub struct PackedTexts(Arc<str>);

/// The bits of a digit, and the bit that says that another one follows.
const DIGIT_BITS: u32 = 6;
const MORE: u8 = 1 << DIGIT_BITS;

impl PackedTexts {
    /// Packs `texts`.
    pub fn of<'t, T: IntoIterator<Item = &'t str, IntoIter: Clone>>(texts: T) -> Self {
        let texts = texts.into_iter();
        let length: usize = texts.clone().map(|text| text.len() + 2).sum();
        let mut packed = String::with_capacity(length);
        let mut last = None;
        for text in texts {
            if last == Some(text) {
                push_number(&mut packed, 0);
            } else {
                push_number(&mut packed, text.len() + 1);
                packed.push_str(text);
            }
            last = Some(text);
        }
        Self(packed.into())
    }

    /// Returns the text at `at`, counted from 0; an empty one past the last.
    pub fn get(&self, at: usize) -> &str {
        self.iter().nth(at).unwrap_or_default()
    }

    /// Returns the first `N` texts, which costs little more than the last of them.
    pub fn first<const N: usize>(&self) -> [&str; N] {
        let mut texts = self.iter();
        std::array::from_fn(|_| texts.next().unwrap_or_default())
    }

    /// Returns the texts in their order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0, last: "" }
    }
}

/// The texts that are still to come.
#[derive(Clone)]
pub struct Iter<'t> {
    rest: &'t str,
    last: &'t str,
}

impl<'t> Iterator for Iter<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let (number, digits) = read_number(self.rest.as_bytes())?;
        let length = number.saturating_sub(1);
        let (text, rest) = self.rest[digits..].split_at(length);
        self.rest = rest;
        if number > 0 {
            self.last = text;
        }
        Some(self.last)
    }
}

fn push_number(packed: &mut String, mut number: usize) {
    while number >= usize::from(MORE) {
        packed.push(char::from(number as u8 & (MORE - 1) | MORE));
        number >>= DIGIT_BITS;
    }
    packed.push(char::from(number as u8));
}

/// Returns the number at the start of `packed` and how many bytes it takes; `None` at the end.
fn read_number(packed: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (at, byte) in packed.iter().enumerate() {
        number |= usize::from(byte & (MORE - 1)) << (at as u32 * DIGIT_BITS);
        if byte & MORE == 0 {
            return Some((number, at + 1));
        }
    }
    None
}

impl std::fmt::Debug for PackedTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(texts: &[&str]) {
        let packed = PackedTexts::of(texts.iter().copied());
        assert_eq!(packed.iter().collect::<Vec<_>>(), texts);
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(packed.get(at), *text);
        }
        assert_eq!(packed.get(texts.len()), "");
        let mut first = [""; 4];
        texts.iter().zip(&mut first).for_each(|(text, first)| *first = text);
        assert_eq!(packed.first(), first);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_comes_out(texts in proptest::collection::vec("\\PC{0,3}|a{60,70}", 0..5)) {
            check(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_length_comes_out_as_it_was() {
        for length in [0, 1, 62, 63, 64, 4094, 4095, 4096, 262_143, 3_000_000] {
            check(&["before", &"x".repeat(length), "behind"]);
        }
    }

    #[test]
    fn a_text_that_comes_again_at_once_takes_one_byte() {
        check(&["", "", "sip:eve@watch.example", "sip:eve@watch.example", "sip:eve@watch.example", "", ""]);
        assert_eq!(PackedTexts::of(["eve", "eve", "eve"]).0.len(), 1 + 3 + 1 + 1);
    }
}
