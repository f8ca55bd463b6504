//! Ids of tuples, persons and devices: unique over all three in one document (RFC 4479 §3.5), and names XML Schema takes for
//! an `xs:ID` (RFC 3863 §4.4).
//!
//! A publisher's id is kept where it can be; what is made in its place depends on nothing but the ids it meets.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Gives every wished id, one of its own; of equal ones the first has the best claim.
///
/// `wished` is what a publisher wrote, with the letter that makes a name of one that is none.
pub fn assign<'a>(wished: &[(&'a str, char)]) -> Vec<Cow<'a, str>> {
    let mut taken: BTreeSet<Cow<'a, str>> = BTreeSet::new();
    let mut assigned: Vec<Option<Cow<'a, str>>> = vec![None; wished.len()];
    for (&(id, _), slot) in wished.iter().zip(&mut assigned) {
        if is_ncname(id) && taken.insert(Cow::Borrowed(id)) {
            *slot = Some(Cow::Borrowed(id));
        }
    }
    let mut next: BTreeMap<Cow<'a, str>, u32> = BTreeMap::new();
    for (&(id, letter), slot) in wished.iter().zip(&mut assigned) {
        slot.get_or_insert_with(|| {
            let base = if is_ncname(id) { Cow::Borrowed(id) } else { Cow::Owned(name_from(id, letter)) };
            let unique = unique(&base, &taken, next.entry(base.clone()).or_insert(1));
            taken.insert(unique.clone());
            unique
        });
    }
    assigned.into_iter().flatten().collect()
}

/// Counts on from the last number tried, so that a thousand equal ids cost a thousand steps.
fn unique<'a>(base: &Cow<'a, str>, taken: &BTreeSet<Cow<'a, str>>, number: &mut u32) -> Cow<'a, str> {
    let mut candidate = base.clone();
    while taken.contains(&candidate) {
        *number += 1;
        candidate = Cow::Owned(format!("{base}-{number}"));
    }
    candidate
}

fn name_from(id: &str, letter: char) -> String {
    std::iter::once(letter)
        .chain(id.chars().map(|character| if is_name(character) { character } else { '_' }))
        .collect()
}

fn is_ncname(id: &str) -> bool {
    id.chars().next().is_some_and(is_name_start) && id.chars().all(is_name)
}

/// `NameStartChar` of XML 1.0 without the colon.
fn is_name_start(character: char) -> bool {
    matches!(character, 'A'..='Z' | 'a'..='z' | '_'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// `NameChar` of XML 1.0 without the colon.
fn is_name(character: char) -> bool {
    is_name_start(character)
        || matches!(character, '0'..='9' | '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wished: &[&str], expected: &[&str]) {
        let wished: Vec<_> = wished.iter().map(|id| (*id, 't')).collect();
        assert_eq!(assign(&wished), expected, "{wished:?}");
    }

    #[test]
    fn names_that_do_not_clash_are_kept() {
        check(&["a", "b.1", "_c", "ä"], &["a", "b.1", "_c", "ä"]);
        check(&[], &[]);
    }

    #[test]
    fn of_equal_ids_the_first_is_kept_and_the_others_are_numbered() {
        check(&["a", "a", "a"], &["a", "a-2", "a-3"]);
        check(&["a", "a", "a-2"], &["a", "a-3", "a-2"]);
    }

    #[test]
    fn what_is_no_name_becomes_one_behind_a_letter() {
        check(&["1234", "sip:dana@x", "", "a b", "-a"], &["t1234", "tsip_dana_x", "t", "ta_b", "t-a"]);
        check(&["1234", "t1234"], &["t1234-2", "t1234"]);
        check(&["t1234", "1234"], &["t1234", "t1234-2"]);
        check(&["a b", "a:b"], &["ta_b", "ta_b-2"]);
    }

    #[test]
    fn thousands_of_equal_ids_take_no_time() {
        let assigned = assign(&vec![("a", 't'); 50_000]);
        assert_eq!(assigned.iter().collect::<BTreeSet<_>>().len(), 50_000);
    }
}
