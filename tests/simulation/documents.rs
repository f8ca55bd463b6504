//! What devices publish: every state has a number, in a contact that anybody may see and in a note that not all may.

use std::collections::BTreeSet;

use crate::chance::Chance;

/// What a watcher finds in a document.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Shown {
    /// Numbers of states whose tuples are shown.
    pub(crate) services: BTreeSet<u64>,
    /// Numbers of states whose notes are shown.
    pub(crate) notes: BTreeSet<u64>,
}

impl Shown {
    /// Reads a document. It is found valid or not by others (`conformance`); here only what it tells counts.
    pub(crate) fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        Self { services: numbers(&text, "sip:s"), notes: numbers(&text, "secret-") }
    }

    /// Returns what is shown of states under such permissions.
    pub(crate) fn of(states: &BTreeSet<u64>, services: bool, notes: bool) -> Self {
        let shown = |is_shown: bool| if is_shown { states.clone() } else { BTreeSet::new() };
        Self { services: shown(services), notes: shown(services && notes) }
    }
}

/// Writes the document of a device; `size` makes it longer.
pub(crate) fn document(user: &str, device: usize, number: u64, chance: &mut Chance) -> String {
    let padding = "x".repeat(if chance.permille(100) { 1500 } else { 0 });
    format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:{user}@pres.example\"><tuple id=\"t{device}\">\
         <status><basic>open</basic></status><contact>sip:s{number}@d{device}.example</contact>\
         <note>secret-{number} {padding}</note></tuple></presence>"
    )
}

/// Returns the number of the state in a published document.
pub(crate) fn number_of(document: &str) -> Option<u64> {
    numbers(document, "sip:s").into_iter().next()
}

fn numbers(text: &str, before: &str) -> BTreeSet<u64> {
    let after = text.match_indices(before).map(|(at, _)| &text[at + before.len()..]);
    let digits = |rest: &str| rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default().to_owned();
    after.filter_map(|rest| digits(rest).parse().ok()).collect()
}
