//! A disk without room: who needs some is told to come again, and is served when there is some.

use std::ops::Range;
use std::time::Instant;

use tests::database_server::{DatabaseServer, Kind, Options, SmallDisk};
use tests::pidf;
use tests::server::Server;
use tests::user_agent::Publisher;

use super::scene::{
    DB_TIMEOUT, assert_resumes, assert_unavailable, assert_unavailable_within, here, serve, settled, shown,
};

on! { [mariadb postgresql sqlite]
    a_disk_without_room_refuses_and_loses_nothing,
}

/// Much that cannot be compressed, in a document.
const NOTE_BYTES: usize = 30_000;
/// So many are published before.
const BEFORE: usize = 3;
/// More of them than any of the servers has room for in files that it has already.
const DOCUMENTS_MAX: usize = 400;

/// What has a small disk.
enum Place {
    File(SmallDisk),
    Server(DatabaseServer),
}

impl Place {
    fn of(kind: Option<Kind>) -> Self {
        match kind {
            None => Self::File(SmallDisk::mount(4 << 20)),
            Some(kind) => {
                let options = Options { disk_bytes_max: Some(160 << 20), ..Options::default() };
                Self::Server(DatabaseServer::start(kind, &options))
            }
        }
    }

    fn new_database(&self) -> String {
        match self {
            Self::File(disk) => format!("sqlite://{}", disk.file("presence.db").display()),
            Self::Server(server) => server.create_database("presence"),
        }
    }

    fn fill(&self) {
        match self {
            Self::File(disk) => disk.fill(),
            Self::Server(server) => server.fill_disk(),
        }
    }

    fn give_room(&self) {
        match self {
            Self::File(disk) => disk.give_room(),
            Self::Server(server) => server.give_room(),
        }
    }
}

fn a_disk_without_room_refuses_and_loses_nothing(kind: Option<Kind>) {
    let place = Place::of(kind);
    let server = serve(&place.new_database());
    let (mut publisher, mut watcher) = settled(&server);
    publish(&server, 0..BEFORE);
    place.fill();
    let taken = publish(&server, BEFORE..DOCUMENTS_MAX);
    assert!(taken < DOCUMENTS_MAX, "the disk is never full");
    let mut late = Publisher::udp(server.udp_address(), "sip:late@pres.example");
    assert_unavailable_within(DB_TIMEOUT * 2, || late.publish(&document("sip:late@pres.example", 0)));

    place.give_room();
    assert_resumes(&server, Instant::now());
    assert_eq!(late.publish(&document("sip:late@pres.example", 0)).code(), Some(200));
    assert_eq!(publisher.modify(&here("after")).code(), Some(200), "{}", publisher.endpoint.ladder());
    watcher.notification_where("what came after", |notification| notification.notes() == ["after"]);
    for number in [0, taken / 2, taken - 1] {
        assert_eq!(shown(&server, &user(number)).len(), 1, "number {number} of {taken} was acknowledged");
    }
    let stored = server.open_database().lines("count(*)", "presentity WHERE username LIKE 'user%'");
    assert_eq!(stored, [taken.to_string()]);
    assert!(server.log().lines().count() < 100, "it says too much");
}

/// Publishes while there is room, and returns the first number that was not acknowledged.
fn publish(server: &Server, mut numbers: Range<usize>) -> usize {
    for number in numbers.by_ref() {
        let user = user(number);
        let mut publisher = Publisher::udp(server.udp_address(), &user);
        let answer = publisher.publish(&document(&user, number as u64));
        if answer.code() != Some(200) {
            assert_unavailable(&answer);
            return number;
        }
        publisher.finish();
    }
    numbers.end
}

fn user(number: usize) -> String {
    format!("sip:user{number}@pres.example")
}

fn document(presentity: &str, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    pidf::open(presentity, "t1", &(0..NOTE_BYTES).map(letter).collect::<String>())
}
