//! Of 256 decisions in one transaction, the one that the database refuses is refused, and the others are committed.

use std::sync::Arc;

use presence::change::Change;
use presence::presentity_uri::PresentityUri;
use presence::store::group_commit::{Candidate, Outcome, Verdict, commit_group};
use presence::store::{CommitError, Store};

use super::rows::publication_continued;
use crate::backend::Backend;
use crate::fixtures::{
    load, publication, publication_stored, subscription, subscription_stored, watcher, watcher_stored,
};
use crate::meddling::Refusal;
use crate::promise::{Promise, promise};
use crate::scene::Scene;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_key_that_somebody_took_refuses_one_of_256),
    promise!(a_row_that_is_gone_refuses_one_of_256),
    promise!(a_number_too_large_refuses_one_of_256),
    promise!(a_row_that_a_trigger_refuses_is_one_of_256),
    promise!(a_character_it_cannot_hold_refuses_one_of_256).except(&[(Backend::Sqlite, "it holds every text")]),
    promise!(a_value_too_wide_refuses_one_of_256).except(&[(Backend::Sqlite, "no text is too wide for it")]),
    promise!(a_commit_that_fails_every_time_refuses_one_of_256)
        .except(&[(Backend::Sqlite, "whoever writes it writes alone: no transaction is undone for another's sake")]),
    promise!(what_is_refused_is_not_quoted),
];

/// Another program inserted a row with an id of ours; it stays as it is.
fn a_key_that_somebody_took_refuses_one_of_256(scene: &Scene<'_>) {
    let mut store = scene.open();
    take_key(scene, 1);
    check(&mut store, 77, publication_stored(&publication(1, "dana")), Verdict::Guilty);
    assert_eq!(scene.other().lines("username", "presentity WHERE id = 1"), ["mallory"]);
}

/// Another program removed the row.
fn a_row_that_is_gone_refuses_one_of_256(scene: &Scene<'_>) {
    check(&mut scene.open(), 200, publication_continued(1, "refreshed", None), Verdict::Gone);
}

/// No column holds it.
fn a_number_too_large_refuses_one_of_256(scene: &Scene<'_>) {
    let mut row = publication(1, "dana");
    row.expires = u64::MAX;
    check(&mut scene.open(), 255, publication_stored(&row), Verdict::Guilty);
}

/// An operator's own condition.
fn a_row_that_a_trigger_refuses_is_one_of_256(scene: &Scene<'_>) {
    let mut store = scene.open();
    scene.refuse_publications_of("mallory", Refusal::Always { sqlstate: "45000" });
    check(&mut store, 3, publication_stored(&publication(1, "mallory")), Verdict::Guilty);
}

/// As a deadlock or a serialisation failure does, which is tried once more and may be over then.
fn a_commit_that_fails_every_time_refuses_one_of_256(scene: &Scene<'_>) {
    scene.open();
    scene.refuse_publications_of("mallory", Refusal::Always { sqlstate: "40001" });
    scene.refuse_publications_of("trent", Refusal::Once { sqlstate: "40001" });
    let mut store = scene.open();
    check(&mut store, 99, publication_stored(&publication(1, "mallory")), Verdict::Guilty);
    check(&mut store, 99, publication_stored(&publication(1, "trent")), Verdict::Committed);
}

/// PostgreSQL has no NUL, and our domains and events are ASCII in MariaDB. A text that is not UTF-8 comes this far nowhere.
fn a_character_it_cannot_hold_refuses_one_of_256(scene: &Scene<'_>) {
    let (mut publication, mut subscription) = (publication(1, "dana"), subscription(1, "dana"));
    match scene.backend {
        Backend::PostgreSql => {
            publication.body = Arc::from("<presence>\0</presence>");
            subscription.user_agent = "a\0b".into();
        }
        Backend::MariaDb | Backend::Sqlite => {
            publication.presentity = Arc::new(PresentityUri::new("dana", "прес.example"));
            subscription.event = "présence".into();
        }
    }
    let mut store = scene.open();
    check(&mut store, 0, publication_stored(&publication), Verdict::Guilty);
    check(&mut store, 128, subscription_stored(&subscription), Verdict::Guilty);
}

/// In MariaDB a name may have 255 characters and a text 65 535 bytes; in PostgreSQL a key may fill a third of a page.
fn a_value_too_wide_refuses_one_of_256(scene: &Scene<'_>) {
    let wide = match scene.backend {
        Backend::MariaDb | Backend::Sqlite => {
            let (name, mut text, mut document) = ("x".repeat(300), publication(1, "dana"), publication(1, "dana"));
            text.entity_tag = "x".repeat(70_000).into();
            document.body = Arc::from("x".repeat(17 << 20));
            [publication(1, &name), text, document].iter().map(publication_stored).collect()
        }
        Backend::PostgreSql => {
            // What repeats itself would be compressed.
            let mut state = 1_u32;
            let letter = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b'!' + (state >> 26) as u8)
            };
            vec![watcher_stored(watcher(&(0..6_000).map(letter).collect::<String>(), "eve"))]
        }
    };
    let mut store = scene.open();
    for change in wide {
        check(&mut store, 130, change, Verdict::Guilty);
    }
}

/// What an error says goes into logs, and values are people's.
fn what_is_refused_is_not_quoted(scene: &Scene<'_>) {
    let mut store = scene.open();
    take_key(scene, 1);
    let (mut event, mut name) = (publication(2, "mallory"), publication(3, "mallory"));
    event.event = format!("mallory\u{e9}\0{}", "mallory".repeat(100)).into();
    name.presentity = Arc::new(PresentityUri::new("mallory\0".repeat(100), "mallory.example"));
    let mut refused = 0;
    for row in [publication(1, "mallory"), event, name] {
        let Err(error) = store.commit(&[&[publication_stored(&row)]]) else { continue };
        assert!(matches!(error, CommitError::Data(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("mallory"), "{error} {error:?}");
        refused += 1;
    }
    assert_eq!(refused, if scene.backend == Backend::Sqlite { 1 } else { 3 });
}

/// Has another program insert a publication.
fn take_key(scene: &Scene<'_>, id: u64) {
    let columns = "id, username, domain, event, etag, expires, received_time, body";
    let values = format!("{id}, 'mallory', 'pres.example', 'presence', 'theirs', 1, 1, ''");
    scene.other().execute(&format!("INSERT INTO presentity ({columns}) VALUES ({values})"));
}

/// Commits 255 decisions that are sound and, at position `at`, one that is `odd`: what becomes of it is `expected`, and the
/// others are committed.
fn check(store: &mut dyn Store, at: usize, odd: Change, expected: Verdict) {
    let before = load(store).len();
    let owners: Vec<_> = (0..256).map(|n| PresentityUri::new(format!("user{n}"), "pres.example")).collect();
    let first_id = 1000 * (1 + before as u64);
    let mut changes: Vec<_> =
        (0..256).map(|n| [publication_stored(&publication(first_id + n, &format!("user{n}")))]).collect();
    changes[at] = [odd];
    let batch: Vec<_> =
        owners.iter().zip(&changes).map(|(presentity, changes)| Candidate { presentity, changes }).collect();
    let Outcome { verdicts, failure, .. } = commit_group(store, &batch);
    assert!(failure.is_none(), "{failure:?}");
    for (position, verdict) in verdicts.iter().enumerate() {
        assert_eq!(*verdict, if position == at { expected } else { Verdict::Committed }, "{position}");
    }
    let is_written = expected == Verdict::Committed;
    assert_eq!(load(store).len(), before + 255 + usize::from(is_written));
}
