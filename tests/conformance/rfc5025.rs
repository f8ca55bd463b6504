//! What a rule grants (RFC 5025 §3.2, §3.3): what becomes of the subscription, at first and whenever rules, sphere or time
//! change it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tests::pidf::document_of;
use tests::rule_book::RuleBook;
use tests::rules::{Rule, ruleset};
use tests::server::Server;
use tests::user_agent::{Notification, Watcher};

use crate::scene::*;

mod transformations; // §3.3: what a watcher sees

/// A server on which Dana is at home, and her rules.
fn at_home() -> Server {
    server_that_asks()
}

fn rule(handling: &str) -> Rule {
    Rule::new("ann").one(ANN).handling(handling).everything()
}

/// The NOTIFY must be what `handling` is to a watcher while Dana says `here`.
fn check_seen(told: &Notification, handling: &str) {
    match handling {
        "block" => {
            check_terminated(told, "rejected");
            assert!(told.message.body.is_empty(), "{}", told.message);
        }
        "confirm" => check_state(told, "pending", false),
        "polite-block" => {
            check_state(told, "active", true);
            assert!(told.presence().is_closed_once(), "{}", told.message);
        }
        _ => {
            check_state(told, "active", true);
            assert_eq!(told.notes(), ["here"]);
        }
    }
}

/// Ann, who has subscribed and been told what `handling` is.
fn subscribed(server: &Server, handling: &str) -> Watcher {
    let mut ann = watcher(server, ANN);
    let accepted = ann.subscribe(600);
    assert_eq!(accepted.code(), Some(200), "{accepted}");
    check_seen(&ann.next_notification(), handling);
    ann
}

#[test]
fn s3_2_1_block_is_403() {
    let server = at_home();
    RuleBook::open(&server).set(DANA, &[rule("block")]);
    let mut ann = watcher(&server, ANN);
    assert_eq!(ann.subscribe(600).code(), Some(403));
    assert_eq!(answer_to_fetch(&server, ANN), Some(403));
    assert_eq!(ann.notification_count(), 0);
    ann.finish();
}

/// trap_13, trap_14
#[test]
fn s3_2_1_confirm_is_pending_without_a_document() {
    let server = at_home();
    let mut desk = publishing(&server, &here("here"));
    RuleBook::open(&server).set(DANA, &[rule("confirm")]);
    let mut ann = subscribed(&server, "confirm");
    desk.modify(&here("busy"));
    check_seen(&ann.refresh_in_silence(), "confirm");
    ann.finish();
}

#[test]
fn s3_2_1_allow_is_active_with_the_document() {
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    RuleBook::open(&server).set(DANA, &[rule("allow")]);
    subscribed(&server, "allow").finish();
}

/// Whom no rule fits, and whom a rule fits that does not say what becomes of him, is blocked. trap_46
#[test]
fn s3_2_1_block_is_the_default() {
    let server = at_home();
    RuleBook::open(&server).set(DANA, &[Rule::new("a").one(ANN).everything(), Rule::allow("b").one(BOB)]);
    for identity in [ANN, EVE] {
        assert_eq!(answer_to_fetch(&server, identity), Some(403), "{identity}");
    }
}

/// White space around the word is nothing; another word is not an action we know.
#[test]
fn s3_2_1_the_word_is_trimmed_and_known() {
    let server = at_home();
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[rule("\n    allow\t ")]);
    assert_eq!(answer_to_fetch(&server, ANN), Some(200));
    rules.set(DANA, &[rule("Allow")]);
    assert_eq!(answer_to_fetch(&server, ANN), Some(403));
}

/// Nobody hides from himself, whatever the rules say. trap_44
#[test]
fn s3_2_1_the_presentity_sees_itself() {
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    RuleBook::open(&server).set(DANA, &[Rule::new("a").handling("block")]);
    let mut self_watching = watching(&server, DANA);
    assert_eq!(self_watching.refresh_in_silence().notes(), ["here"]);
    assert_eq!(answer_to_fetch(&server, ANN), Some(403));
    self_watching.finish();
}

/// Every change of mind but those from `block`, where nobody subscribes: what the watcher is told, and what the owner.
#[test]
fn s3_2_1_a_change_of_the_rules_reaches_running_subscriptions() {
    let changes = [
        ("allow", "polite-block", None),
        ("allow", "confirm", Some("pending")),
        ("allow", "block", Some("terminated rejected")),
        ("polite-block", "allow", None),
        ("polite-block", "confirm", Some("pending")),
        ("polite-block", "block", Some("terminated rejected")),
        ("confirm", "allow", Some("active approved")),
        ("confirm", "polite-block", Some("active approved")),
        ("confirm", "block", Some("terminated rejected")),
    ];
    for (before, after, told_to_owner) in changes {
        let server = at_home();
        let _desk = publishing(&server, &here("here"));
        let mut rules = RuleBook::open(&server);
        rules.set(DANA, &[rule(before)]);
        let mut ann = subscribed(&server, before);
        let mut owner = watching_watchers(&server);
        rules.write(DANA, &ruleset(&[rule(after)]));
        rules.announce();
        check_seen(&ann.next_notification(), after);
        if let Some(expected) = told_to_owner {
            let told = owner.next_notification();
            let summary = told.watcherinfo().only().summary();
            assert!(summary.starts_with(&format!("{ANN} {expected}")), "{before} to {after}: {}", told.message);
        }
        owner.refresh_in_silence();
        if after != "block" {
            ann.refresh_in_silence();
        }
        ann.finish();
        owner.finish();
    }
}

/// Rules that change without changing anything for a watcher are no news to her.
#[test]
fn s3_2_1_a_change_that_changes_nothing_tells_nobody() {
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[rule("allow")]);
    let mut ann = subscribed(&server, "allow");
    let mut owner = watching_watchers(&server);
    rules.set(DANA, &[Rule::allow("other-name").many_of("watch.example", &[]), Rule::allow("b").one(BOB)]);
    ann.refresh_in_silence();
    owner.refresh_in_silence();
    ann.finish();
    owner.finish();
}

/// What is shown may change while the subscription stays what it is.
#[test]
fn s3_3_a_change_of_what_is_shown_is_told() {
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[Rule::new("ann").one(ANN).handling("allow").components()]);
    let mut ann = watching(&server, ANN);
    assert!(ann.refresh_in_silence().notes().is_empty());
    let note = "<pr:provide-note>true</pr:provide-note>";
    rules.write(DANA, &ruleset(&[Rule::new("ann").one(ANN).handling("allow").components().provide(note)]));
    rules.announce();
    assert_eq!(ann.next_notification().notes(), ["here"]);
    ann.refresh_in_silence();
    ann.finish();
}

/// A change of what a watcher may not see is no news to her (D = F(D) for what she sees).
#[test]
fn s3_3_a_change_of_what_is_hidden_tells_nothing() {
    let server = at_home();
    let mut desk = publishing(&server, &here("here"));
    RuleBook::open(&server).set(DANA, &[Rule::new("ann").one(ANN).handling("allow").components()]);
    let mut ann = watching(&server, ANN);
    desk.modify(&here("busy"));
    let before = ann.refresh_in_silence();
    desk.modify(&here("busy").replace("open", "closed"));
    assert_eq!(ann.next_notification().presence().tuples[0].basic.as_deref(), Some("closed"));
    assert_eq!(before.presence().tuples[0].basic.as_deref(), Some("open"));
    ann.finish();
}

/// Without a signal, too: within the period the operator set.
#[test]
fn s9_7_a_change_is_seen_within_the_period() {
    let server = server_with(&[("force_active", "0"), ("rules_poll_period", "1")]);
    let mut ann = watching(&server, ANN);
    let mut rules = RuleBook::open(&server);
    rules.write(DANA, &ruleset(&[rule("allow")]));
    let written = Instant::now();
    check_state(&ann.next_notification(), "active", true);
    assert!(written.elapsed() < Duration::from_secs(4), "{:?}", written.elapsed());
    ann.finish();
}

/// RFC 4745 §7.4: a rule begins and ends to fit by the clock alone.
#[test]
fn s3_1_validity_takes_effect_at_its_boundaries() {
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs();
    let (from, until) = (now + 2, now + 4);
    RuleBook::open(&server).set(DANA, &[rule("allow").validity(&[(from, until)]), rule("confirm")]);
    let mut ann = subscribed(&server, "confirm");
    let mut owner = watching_watchers(&server);
    let check_moment = |boundary: u64| {
        let late = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64() - boundary as f64;
        assert!((0.0..1.8).contains(&late), "{late} s after the boundary");
    };
    check_seen(&ann.next_notification(), "allow");
    check_moment(from);
    assert_eq!(owner.next_notification().watchers, ["sip:ann@watch.example active approved"]);
    check_seen(&ann.next_notification(), "confirm");
    check_moment(until);
    ann.finish();
    owner.finish();
}

fn in_sphere(sphere: &str) -> String {
    let content = "<tuple id=\"t1\"><status><basic>open</basic></status><note>here</note></tuple>";
    document_of(DANA, &format!("{content}<dm:person id=\"p\"><rpid:sphere>{sphere}</rpid:sphere></dm:person>"))
}

/// §3.1.2: the sphere is what the published documents say it is; a PUBLISH that changes it changes who sees what. trap_50
#[test]
fn s3_1_2_the_sphere_is_that_of_the_published_documents() {
    let server = at_home();
    let mut desk = publishing(&server, &in_sphere("<rpid:home/>"));
    RuleBook::open(&server).set(DANA, &[rule("allow").sphere("holiday WORK"), rule("confirm")]);
    let mut ann = subscribed(&server, "confirm");
    desk.modify(&in_sphere("<rpid:work/>"));
    check_seen(&ann.next_notification(), "allow");
    // A second device that says otherwise leaves the sphere undefined; one that agrees, or says nothing, does not.
    let mut mobile = publishing(&server, &in_sphere("<rpid:home/>").replace("\"t1\"", "\"t2\""));
    check_seen(&ann.next_notification(), "confirm");
    mobile.remove();
    check_seen(&ann.next_notification(), "allow");
    desk.modify(&here("here"));
    check_seen(&ann.next_notification(), "confirm");
    ann.finish();
}

/// A sphere of its presentity's own words is one too, and its end is told by the clock of the publication.
#[test]
fn s3_1_2_a_sphere_ends_with_its_publication() {
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    RuleBook::open(&server).set(DANA, &[rule("allow").sphere("work"), rule("confirm")]);
    let mut ann = subscribed(&server, "confirm");
    let mut short = publisher(&server).expiring(1);
    let person = "<dm:person id=\"p\"><rpid:sphere><rpid:work/></rpid:sphere></dm:person>";
    short.publish(&document_of(DANA, person));
    check_seen(&ann.next_notification(), "allow");
    check_seen(&ann.next_notification(), "confirm");
    ann.finish();
}

/// A polite block is told of nothing, and a refresh and a fetch are answered with the same document. trap_51
#[test]
fn s3_2_1_a_polite_block_is_told_of_no_change() {
    let server = at_home();
    let mut desk = publishing(&server, &here("here"));
    RuleBook::open(&server).set(DANA, &[rule("polite-block")]);
    let mut ann = watcher(&server, ANN);
    ann.subscribe(600);
    let first = ann.next_notification();
    check_seen(&first, "polite-block");
    desk.modify(&here("busy"));
    desk.remove();
    assert_eq!(ann.refresh_in_silence().message.body, first.message.body);
    assert_eq!(fetched(&server, ANN).message.body, first.message.body);
    ann.unsubscribe();
    let last = ann.next_notification();
    check_terminated(&last, "timeout");
    ann.finish();
}

/// Olga is offline and hides from nobody; Dana is here and hides from Ann. What Ann is told of both differs in the name. trap_51
#[test]
fn s3_2_1_a_polite_block_cannot_be_told_from_an_offline_user() {
    const OLGA: &str = "sip:olga@pres.example";
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[rule("polite-block")]);
    rules.set(OLGA, &[rule("allow")]);
    let shape_of = |presentity: &str| {
        let mut ann = Watcher::udp(server.udp_address(), presentity, ANN);
        let accepted = ann.subscribe(600);
        let first = ann.next_notification().message;
        ann.unsubscribe();
        let last = ann.next_notification().message;
        ann.finish();
        let name = presentity.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
        let own = |text: &str| text.replace(&name, "NAME");
        [accepted, first, last].map(|message| {
            let ours = ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"];
            let headers = message.headers.iter();
            let headers = headers.map(|(header, value)| match ours.contains(&header.as_str()) {
                true => header.clone(),
                false => format!("{header}: {}", own(value)),
            });
            (headers.collect::<Vec<_>>(), own(&String::from_utf8_lossy(&message.body)))
        })
    };
    assert_eq!(shape_of(DANA), shape_of(OLGA));
}

/// `allow` without anything to show looks like an offline user as well. trap_46
#[test]
fn s3_3_allow_alone_shows_nothing() {
    let server = at_home();
    let _desk = publishing(&server, &here("here"));
    RuleBook::open(&server).set(DANA, &[Rule::new("ann").one(ANN).handling("allow")]);
    let told = fetched(&server, ANN);
    assert!(told.presence().is_closed_once(), "{}", told.message);
}

/// The decision is the identity's, and the identity is kept: a restart changes nothing, and tells the same.
#[test]
fn s3_2_1_a_restart_changes_no_decision() {
    let mut server = server_that_asks();
    let mut rules = RuleBook::open(&server);
    let blocked = Rule::new("bob").one(BOB).handling("polite-block");
    rules.set(DANA, &[rule("allow"), blocked, Rule::new("eve").one(EVE).handling("confirm")]);
    drop(rules);
    let _desk = publishing(&server, &here("here"));
    let mut watchers = [(ANN, "allow"), (BOB, "polite-block"), (EVE, "confirm")].map(|(identity, handling)| {
        let mut watcher = watcher(&server, identity);
        watcher.subscribe(600);
        check_seen(&watcher.next_notification(), handling);
        (watcher, handling)
    });
    server.kill_nine();
    watchers.iter().for_each(|(watcher, _)| watcher.allow_jump_once());
    server.restart();
    for (watcher, handling) in &mut watchers {
        check_seen(&watcher.next_notification(), handling);
    }
    let mut rules = RuleBook::open(&server);
    rules.write(DANA, &ruleset(&[rule("block")]));
    rules.announce();
    for (watcher, _) in &mut watchers {
        check_seen(&watcher.next_notification(), "block");
    }
    watchers.into_iter().for_each(|(watcher, _)| watcher.finish());
}

/// The rules lie in the table the operator names, under the types he names.
#[test]
fn s9_the_operator_says_where_the_rules_are() {
    let server = server_with(&[("force_active", "0"), ("xcap_table", "privacy"), ("pres_rules_doc_types", "7")]);
    let mut rules = RuleBook::open(&server).with_table("privacy").with_type(7);
    rules.set(DANA, &[rule("allow")]);
    assert_eq!(answer_to_fetch(&server, ANN), Some(200));
    assert_eq!(answer_to_fetch(&server, BOB), Some(403));
}
