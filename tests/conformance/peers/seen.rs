//! What running a descendant under load and against its rules showed: each behaviour, the other way round.

use tests::pidf;
use tests::rule_book::RuleBook;
use tests::rules::{Rule, ruleset};
use tests::server::{Options, Server, with_setting};
use tests::user_agent::{Publisher, Watcher};

use crate::scene::*;

fn four_workers() -> Server {
    Server::start(&with_setting("children=4"), Options::default())
}

/// 2: SQLite with more than one worker answered nine of ten requests 500.
#[test]
fn seen_2_the_embedded_database_serves_many_workers() {
    let server = four_workers();
    let mut publishers: Vec<_> = (0..40)
        .map(|number| Publisher::udp(server.udp_address(), &format!("sip:user-{number}@pres.example")))
        .collect();
    let mut sent = Vec::new();
    for publisher in &mut publishers {
        let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, here("here"));
        sent.push(publisher.endpoint.send(request));
    }
    for (publisher, request) in publishers.iter_mut().zip(&sent) {
        assert_eq!(publisher.answer_to(request).code(), Some(200));
    }
    publishers.into_iter().for_each(Publisher::finish);
}

/// 3: a refresh without a body lost the document for everybody who came later. trap_29
#[test]
fn seen_3_a_refresh_of_a_publication_keeps_the_document() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    publisher.refresh();
    let mut watcher = watcher(&server, ANN);
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    assert_eq!(watcher.refresh_in_silence().notes(), ["here"]);
    watcher.finish();
}

/// 4, 5, 7: with changes back to back, a quarter of the NOTIFYs were older than what the watcher had, others never came.
#[test]
fn seen_5_every_watcher_of_many_ends_with_the_last_document() {
    let server = four_workers();
    let mut watchers: Vec<_> =
        (0..40).map(|number| watching(&server, &format!("sip:w{number}@watch.example"))).collect();
    let mut publisher = publishing(&server, &here("0"));
    for number in 1..=25 {
        assert_eq!(publisher.modify(&here(&number.to_string())).code(), Some(200));
    }
    for watcher in &mut watchers {
        let mut last = -1;
        while last < 25 {
            let number: i32 = watcher.next_notification().notes()[0].parse().expect("a number");
            assert!(number > last, "{number} after {last}");
            last = number;
        }
    }
    watchers.into_iter().for_each(Watcher::finish);
}

/// 6: a refresh that met a PUBLISH let CSeqs overtake each other, or be used twice. trap_02
#[test]
fn seen_6_refreshes_and_changes_share_one_sequence() {
    let server = four_workers();
    let mut watcher = watching(&server, ANN);
    let mut publisher = publishing(&server, &here("start"));
    for number in 0..30 {
        let (change, refresh) = (
            publisher.next_request().with_body(pidf::CONTENT_TYPE, here(&number.to_string())),
            watcher.next_request(600),
        );
        let change = publisher.endpoint.send(change);
        let refresh = watcher.send(refresh);
        assert_eq!(watcher.answer_to(&refresh).code(), Some(200));
        assert_eq!(publisher.answer_to(&change).code(), Some(200));
    }
    watcher.subscribe(300);
    let last = watcher.notification_where("the last refresh", |told| told.state().expires_s <= Some(300));
    assert_eq!(last.notes(), ["29"]);
    watcher.finish();
}

/// 8: after a restart the first refresh of a publication told everybody what they knew.
#[test]
fn seen_8_a_refresh_after_a_restart_tells_nobody() {
    let mut server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    let mut watcher = watching(&server, ANN);
    assert_eq!(server.terminate().code(), Some(0));
    watcher.allow_jump_once();
    server.restart();
    assert_eq!(publisher.refresh().code(), Some(200));
    watcher.refresh_in_silence();
    watcher.finish();
}

/// 15: pending to active by a change of the rules was not told to who watches the watchers.
#[test]
fn seen_15_an_approval_is_told_to_winfo() {
    let server = server_that_asks();
    let mut owner = watching_watchers(&server);
    let mut ann = watching(&server, ANN);
    owner.next_notification();
    let mut rules = RuleBook::open(&server);
    rules.write(DANA, &ruleset(&[Rule::allow("a").one(ANN)]));
    rules.announce();
    assert_eq!(owner.next_notification().watchers, ["sip:ann@watch.example active approved"]);
    check_state(&ann.next_notification(), "active", true);
    ann.finish();
    owner.finish();
}

/// 16: anybody might see anybody's watchers; ids were Call-IDs; versions began at 1. trap_40
#[test]
fn seen_16_watcher_information_is_for_whom_it_is() {
    let server = server_that_asks();
    let ann = watching(&server, ANN);
    let mut eve = watcher(&server, EVE).with_event("presence.winfo");
    assert_eq!(eve.subscribe(600).code(), Some(403));
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    assert_eq!(owner.fetch().watcherinfo().version, 0);
    [ann, eve, owner].into_iter().for_each(Watcher::finish);
}

/// 16: composed documents had tuples after persons, ids twice, and a DOCTYPE passed on. trap_35, trap_38
#[test]
fn seen_16_composed_documents_are_valid() {
    let server = Server::quickstart();
    let content = |note: &str| {
        format!(
            "<tuple id=\"x\"><status><basic>open</basic></status><contact>sip:{note}@d.example</contact></tuple>\
             <dm:person id=\"p\"><dm:note>{note}</dm:note></dm:person>\
             <dm:device id=\"d\"><dm:deviceID>urn:uuid:{note}</dm:deviceID></dm:device>"
        )
    };
    let _devices = ["a", "b"].map(|note| publishing(&server, &pidf::document_of(DANA, &content(note))));
    let told = fetched(&server, ANN);
    assert_eq!(told.presence().ids().len(), 6, "{}", told.message);
    let doctype = format!("<!DOCTYPE presence SYSTEM \"http://e.example/x.dtd\">{}", pidf::document_of(DANA, ""));
    let mut publisher = publisher(&server);
    assert_eq!(
        publisher.publish(&doctype.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "")).code(),
        Some(400)
    );
    publisher.finish();
}

/// 16: `Event: presence;x=y` was 489, Accept and Require ignored, an entity-tag of another shape a 500. trap_17, trap_27
#[test]
fn seen_16_headers_mean_what_they_say() {
    let server = Server::quickstart();
    let code = |change: &dyn Fn(tests::message::Message) -> tests::message::Message| {
        let mut watcher = watcher(&server, ANN);
        let request = change(watcher.next_request(0));
        let code = watcher.request(request).code();
        if code == Some(200) {
            watcher.next_notification();
        }
        watcher.finish();
        code
    };
    assert_eq!(code(&|request| request.set("Event", "presence;x=y")), Some(200));
    assert_eq!(code(&|request| request.set("Accept", "text/plain")), Some(406));
    assert_eq!(code(&|request| request.with("Require", "x")), Some(420));
    let mut publisher = publisher(&server);
    publisher.pretend_entity_tag("a.1165839600.4711.3.0~`'!%*+");
    assert_eq!(publisher.refresh().code(), Some(412));
    publisher.finish();
}

/// 17: the 200 left before the row was written; a removal right after a modification was 412.
#[test]
fn seen_17_what_was_answered_is_there() {
    let mut server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    assert_eq!(publisher.modify(&here("acknowledged")).code(), Some(200));
    server.kill_nine();
    server.restart();
    assert_eq!(published(&server), ["acknowledged"]);
    for _ in 0..20 {
        assert_eq!(publisher.publish(&here("a")).code(), Some(200));
        assert_eq!(publisher.modify(&here("b")).code(), Some(200));
        assert_eq!(publisher.remove().code(), Some(200));
    }
    publisher.finish();
}

/// 18: a Contact whose host nobody knows held up everybody whom the same worker served.
#[test]
fn seen_18_a_contact_that_cannot_be_resolved_holds_up_nobody() {
    let server = Server::quickstart();
    let mut lost = watcher(&server, BOB);
    lost.move_to("<sip:bob@nowhere.invalid>");
    assert_eq!(lost.subscribe(600).code(), Some(200));
    let mut watcher = watching(&server, ANN);
    let started = std::time::Instant::now();
    let mut publisher = publishing(&server, &here("0"));
    watcher.next_notification();
    for number in 1..10 {
        publisher.modify(&here(&number.to_string()));
        assert_eq!(watcher.next_notification().notes(), [number.to_string()]);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
    watcher.finish();
    lost.finish();
}
