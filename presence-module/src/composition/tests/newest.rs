//! What `newest` leaves of several publications.

use insta::assert_snapshot;

use super::{CELL, DESK, Policy, Source, composed_sources, document};

fn composed(documents: &[&str]) -> String {
    super::composed(Policy::Newest, documents)
}

#[test]
fn the_publication_that_came_last_stands_alone() {
    assert_snapshot!(composed(&[DESK, CELL]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:dana@pres.example">
      <p:tuple id="cell1"><p:status><p:basic>closed</p:basic></p:status><p:contact priority="0.3">tel:+15550100</p:contact><p:timestamp>2025-03-04T07:59:10Z</p:timestamp></p:tuple>
    </presence>
    "#);
    assert_eq!(composed(&[CELL, DESK]), composed(&[DESK]));
    assert_eq!(composed(&[CELL, DESK]), super::composed(Policy::Union, &[DESK]));
}

#[test]
fn a_publication_that_was_modified_came_last_though_it_began_first() {
    let [desk, cell] = [DESK, CELL].map(str::as_bytes);
    let first = |received_at_ms| Source { body: desk, received_at_ms, number: 1 };
    let second = |received_at_ms| Source { body: cell, received_at_ms, number: 2 };
    assert_eq!(composed_sources(Policy::Newest, &[first(2_000), second(1_000)]), composed(&[DESK]));
    assert_eq!(composed_sources(Policy::Newest, &[first(1_000), second(2_000)]), composed(&[CELL]));
    // Of one moment, the one that began last.
    assert_eq!(composed_sources(Policy::Newest, &[first(1_000), second(1_000)]), composed(&[CELL]));
}

#[test]
fn a_last_publication_that_says_nothing_is_closed() {
    assert_eq!(composed(&[DESK, &document("")]), composed(&[]));
}
