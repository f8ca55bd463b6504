//! One database has one server: who comes second is refused and told whose it is, or takes it, and the first serves no more.

use std::time::{Duration, Instant};

use tests::database::Database;
use tests::database_server::{Kind, new_database};
use tests::patience::wait_until;
use tests::server::{Ended, Options, QUICKSTART, Server};
use tests::user_agent::{Publisher, Watcher};

use super::scene::{ANN, DANA, assert_unavailable, here, new_database_of, quickstart_on, settled, shown};

on! { [mariadb postgresql]
    a_start_waits_for_what_a_killed_server_has_under_way,
}

on! { [mariadb postgresql sqlite]
    a_second_server_takes_over_only_when_it_is_told_to,
    a_server_of_another_machine_is_respected_while_it_lives,
}

/// A server says that it lives every five seconds.
const NOTICED_WITHIN: Duration = Duration::from_secs(8);

fn a_second_server_takes_over_only_when_it_is_told_to(kind: Option<Kind>) {
    let options = Options { database_url: new_database_of(kind), ..Options::default() };
    let first = Server::start(QUICKSTART, Options { errors_expected: true, ..options });
    let (mut publisher, mut watcher) = settled(&first);
    let url = first.database_url();

    let ended = Server::start_refused(&quickstart_on(&url));
    assert_names(&ended, &format!("{}:{}", host_name(), first.process_id()));
    assert_eq!(publisher.modify(&here("first")).code(), Some(200), "the first serves on");
    assert_eq!(watcher.next_notification().notes(), ["first"]);

    watcher.unsubscribe();
    assert!(watcher.next_notification().state().is_terminated());
    watcher.finish();

    let arguments = vec!["--take-over".to_owned()];
    let options = Options { arguments, database_url: Some(url.clone()), ..Options::default() };
    let second = Server::start(QUICKSTART, options);
    for _ in 0..3 {
        assert_unavailable(&publisher.modify(&here("nobody's")));
        assert_unavailable(&Watcher::udp(first.udp_address(), DANA, ANN).subscribe(300));
        assert_unavailable(&Publisher::udp(first.udp_address(), "sip:new@pres.example").publish(&here("new")));
    }
    let said = first.wait_for_log("ERROR");
    assert!(said.contains("took over") && said.contains(&format!(":{}", second.process_id())), "{said}");
    assert_eq!(first.log().matches("ERROR").count(), 1, "{}", first.log());

    assert_eq!(shown(&second, DANA), ["first"]);
    let mut publishes_there = Publisher::udp(second.udp_address(), DANA);
    publishes_there.pretend_entity_tag(publisher.entity_tag());
    assert_eq!(publishes_there.modify(&here("second")).code(), Some(200), "its entity-tag went over with it");
    drop(first);
    assert_eq!(publishes_there.modify(&here("third")).code(), Some(200), "the end of the first changes nothing");
    assert_eq!(shown(&second, DANA), ["third"]);
}

/// A transaction that has not heard of the end of its server holds the owner's row for a while.
fn a_start_waits_for_what_a_killed_server_has_under_way(kind: Kind) {
    let mut server = Server::quickstart_on(&new_database(kind));
    server.kill_nine();
    let (mut under_way, mut onlooker) = (server.open_database(), server.open_database());
    wait_until("the killed server's session is gone", || sessions(kind, &mut onlooker) == 2);
    let before = sessions(kind, &mut onlooker);
    under_way.execute("BEGIN");
    under_way.execute("UPDATE presence_owner SET heartbeat = heartbeat");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| server.restart());
        // It has come as far as the database, and the row it needs is held.
        wait_until("the server is in the database", || sessions(kind, &mut onlooker) > before);
        assert!(!starting.is_finished(), "it did not wait");
        under_way.execute("COMMIT");
    });
    let (publisher, watcher) = settled(&server);
    publisher.finish();
    watcher.finish();
}

/// Returns how many sessions there are in the database of one.
fn sessions(kind: Kind, onlooker: &mut Database) -> usize {
    let all = match kind {
        Kind::MariaDb => "information_schema.processlist WHERE db = DATABASE()",
        Kind::PostgreSql => "pg_stat_activity WHERE datname = current_database()",
    };
    onlooker.lines("1", all).len()
}

fn a_server_of_another_machine_is_respected_while_it_lives(kind: Option<Kind>) {
    let options = Options { database_url: new_database_of(kind), errors_expected: true, ..Options::default() };
    let mut server = Server::start(QUICKSTART, options);
    assert_eq!(server.terminate().code(), Some(0));
    let mut database = server.open_database();
    claim(&mut database, kind, 0);
    assert_names(&Server::start_refused(&quickstart_on(&server.database_url())), "elsewhere:1");

    // It has been silent for long.
    claim(&mut database, kind, 60);
    server.restart();
    let (publisher, watcher) = settled(&server);
    publisher.finish();
    watcher.finish();

    assert!(!server.log().contains("ERROR"), "{}", server.log());

    // It is started again and takes over: that is noticed even if nobody asks for anything.
    claim(&mut database, kind, 0);
    let claimed = Instant::now();
    server.wait_for_log("another server took over this database: elsewhere:1");
    assert!(claimed.elapsed() < NOTICED_WITHIN, "{:?}", claimed.elapsed());
}

/// Writes what a server of another machine writes that serves this database, some seconds ago.
fn claim(database: &mut Database, kind: Option<Kind>, seconds_ago: u64) {
    let now = match kind {
        Some(Kind::MariaDb) => "UNIX_TIMESTAMP()",
        Some(Kind::PostgreSql) => "CAST(extract(epoch FROM clock_timestamp()) AS bigint)",
        None => "CAST(strftime('%s', 'now') AS integer)",
    };
    let set = format!("owner = 'elsewhere:1', heartbeat = {now} - {seconds_ago}, clean = 0, epoch = epoch + 1");
    assert_eq!(database.execute(&format!("UPDATE presence_owner SET {set}")), 1);
}

fn assert_names(ended: &Ended, owner: &str) {
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(owner), "it does not name {owner}:\n{}", ended.stderr);
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux has a host name");
    name.trim().replace(':', "-")
}
