//! A server that stops, one way or the other, and comes back on the same database: what was acknowledged goes on.

use tests::database_server::{Kind, new_database};
use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";

/// Makes each of the functions a test on every database.
macro_rules! on_every_database {
    ($($promise:ident,)+) => {$(
        mod $promise {
            use super::{Kind, Server, new_database};

            #[test]
            fn mariadb() {
                super::$promise(Server::quickstart_on(&new_database(Kind::MariaDb)));
            }

            #[test]
            fn postgresql() {
                super::$promise(Server::quickstart_on(&new_database(Kind::PostgreSql)));
            }

            #[test]
            fn sqlite() {
                super::$promise(Server::quickstart());
            }
        }
    )+};
}

on_every_database! {
    after_a_kill_publications_and_subscriptions_go_on,
    after_a_kill_watchers_are_told_what_they_missed,
    a_publish_under_way_during_a_kill_is_answered_once,
    a_request_repeated_after_a_kill_gets_its_old_answer,
    a_clean_stop_owes_no_notify,
    what_expires_while_the_server_is_away_is_closed_when_it_comes_back,
    a_second_server_on_a_database_in_use_is_refused,
}

fn here(note: &str) -> String {
    pidf::open(DANA, "t1", note)
}

/// A publisher whose state a watcher has seen.
fn settled(server: &Server) -> (Publisher, Watcher) {
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&here("before")).code(), Some(200));
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["before"]);
    (publisher, watcher)
}

fn after_a_kill_publications_and_subscriptions_go_on(mut server: Server) {
    let (mut publisher, mut watcher) = settled(&server);
    server.kill_nine();
    watcher.allow_jump_once();
    server.restart();
    let owed = watcher.next_notification();
    assert_eq!(owed.notes(), ["before"], "after an unclean stop each watcher is owed the present state");
    assert_eq!(publisher.modify(&here("after")).code(), Some(200), "the entity-tag is still good");
    assert_eq!(watcher.next_notification().notes(), ["after"]);
    let refreshed = watcher.subscribe(300);
    assert_eq!((refreshed.code(), refreshed.get("Expires")), (Some(200), Some("300")), "{refreshed}");
    watcher.next_notification();
    watcher.unsubscribe();
    assert!(watcher.next_notification().state().is_terminated());
    publisher.finish();
    watcher.finish();
}

/// The NOTIFY of a change is under way when the server dies; its watcher learns of the change all the same.
fn after_a_kill_watchers_are_told_what_they_missed(mut server: Server) {
    let (mut publisher, mut watcher) = settled(&server);
    watcher.hold_answers();
    publisher.modify(&here("held"));
    let held = watcher.next_notification();
    assert_eq!(publisher.modify(&here("missed")).code(), Some(200));
    server.kill_nine();
    watcher.release();
    watcher.allow_jump_once();
    server.restart();
    let told = watcher.next_notification();
    assert_eq!(told.notes(), ["missed"]);
    assert!(told.cseq() > held.cseq(), "CSeq goes upward");
    publisher.finish();
    watcher.finish();
}

/// A request sent into the dead server's port is repeated until the next one answers it.
fn a_publish_under_way_during_a_kill_is_answered_once(mut server: Server) {
    let (mut publisher, mut watcher) = settled(&server);
    server.kill_nine();
    let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, here("under way"));
    let sent = publisher.endpoint.send(request);
    watcher.allow_jump_once();
    server.restart();
    assert_eq!(publisher.answer_to(&sent).code(), Some(200));
    watcher.notification_where("the change", |notification| notification.notes() == ["under way"]);
    assert_eq!(publisher.remove().code(), Some(200));
    let last = watcher.next_notification();
    assert!(last.presence().is_closed_once(), "the one publication is gone: {}", last.message);
    watcher.finish();
}

/// The answer is lost with the server; the repeated request finds what it did (RFC 3903 §6 would make it a 412).
fn a_request_repeated_after_a_kill_gets_its_old_answer(mut server: Server) {
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let initial = publisher.next_request().with_body(pidf::CONTENT_TYPE, here("here"));
    let initial = publisher.endpoint.send(initial);
    let tag = publisher.answer_to(&initial).expect("SIP-ETag").to_owned();
    server.kill_nine();
    server.restart();
    publisher.endpoint.send_bytes(&initial.to_bytes());
    let answers = publisher.endpoint.responses(&initial, 2);
    // Of the hour, a part is over by then.
    let lasting = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer).into_owned();
        text.lines().filter(|line| !line.starts_with("Expires: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lasting(&answers[0]), lasting(&answers[1]), "{}", publisher.endpoint.ladder());
    assert_eq!(publisher.entity_tag(), tag);
    assert_eq!(publisher.remove().code(), Some(200));
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
    assert!(watcher.fetch().presence().is_closed_once(), "it was published once");
    watcher.finish();
    publisher.finish();
}

fn a_clean_stop_owes_no_notify(mut server: Server) {
    let (mut publisher, mut watcher) = settled(&server);
    assert_eq!(server.terminate().code(), Some(0));
    watcher.allow_jump_once();
    server.restart();
    // The next NOTIFY is that of the next change: none came for the restart.
    assert_eq!(publisher.modify(&here("after")).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["after"]);
    watcher.subscribe(600);
    watcher.next_notification();
    assert_eq!(watcher.notification_count(), 3, "{}", watcher.endpoint.ladder());
    watcher.finish();
}

fn what_expires_while_the_server_is_away_is_closed_when_it_comes_back(mut server: Server) {
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
    watcher.subscribe(600);
    watcher.next_notification();
    let mut publisher = Publisher::udp(server.udp_address(), DANA).expiring(1);
    publisher.publish(&here("short"));
    assert_eq!(watcher.next_notification().notes(), ["short"]);
    server.kill_nine();
    watcher.allow_jump_once();
    server.restart();
    let closed = watcher.notification_where("nothing published", |notification| notification.notes().is_empty());
    assert!(closed.presence().is_closed_once(), "{}", closed.message);
    watcher.finish();
}

fn a_second_server_on_a_database_in_use_is_refused(server: Server) {
    let ended = Server::start_refused(&tests::server::QUICKSTART.replace("@DB_URL@", &server.database_url()));
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(&server.process_id().to_string()), "it names who owns it:\n{}", ended.stderr);
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&here("here")).code(), Some(200), "the first serves on");
    publisher.finish();
}
