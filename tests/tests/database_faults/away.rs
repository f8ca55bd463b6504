//! A database server that is killed, stopped in its tracks, or restarted under those who publish and watch.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::database_server::Kind;
use tests::message::Message;
use tests::patience::wait_until;
use tests::pidf;
use tests::user_agent::{Publisher, Watcher};

use super::scene::{
    ANN, AT_ONCE, DANA, DB_TIMEOUT, Scene, assert_answers_options, assert_unavailable, assert_unavailable_within, here,
    settled, shown, stored,
};

/// How much longer than [`DB_TIMEOUT`] an answer may take on a busy machine.
const SLACK: Duration = Duration::from_millis(500);
/// How long those who could not refresh have got for it when the database is back.
const GRACE: Duration = Duration::from_secs(5);

on! { [mariadb postgresql]
    a_database_that_is_killed_costs_nothing_but_time,
    a_database_that_stands_still_holds_nobody_up,
    what_a_database_that_stood_still_has_done_is_what_is_shown,
    a_database_that_is_restarted_in_order_costs_nothing_but_time,
}

fn a_database_that_is_killed_costs_nothing_but_time(kind: Kind) {
    let mut scene = Scene::start(kind);
    let (mut publisher, mut watcher) = settled(&scene.server);
    let (mut short, mut short_watcher) = short_lived(&scene);
    let short_ends = Instant::now() + Duration::from_secs(2);
    watcher.hold_answers();
    assert_eq!(publisher.modify(&here("held")).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["held"]);

    scene.database.kill_nine();
    assert_unavailable_within(DB_TIMEOUT, || publisher.modify(&here("lost")));
    assert_everybody_is_told_to_come_again(&scene, &mut publisher, &mut watcher);
    watcher.release();
    while Instant::now() < short_ends + Duration::from_millis(300) {
        assert_unavailable_within(AT_ONCE, || short.refresh());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_answers_options(&scene.server);

    scene.database.restart();
    let back = Instant::now();
    scene.assert_resumes(back);
    assert_eq!(publisher.refresh().code(), Some(200), "its entity-tag is good");
    assert_eq!(publisher.modify(&here("after")).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["after"], "nothing else was told");
    assert_eq!(watcher.subscribe(500).code(), Some(200));
    watcher.next_notification();
    assert_eq!(stored(&mut scene.client(), "dana"), ["after"]);

    let closed = short_watcher.next_notification();
    assert!(closed.presence().is_closed_once(), "{}", closed.message);
    assert!(back.elapsed() > GRACE - SLACK, "closed {:?} after the return", back.elapsed());
    publisher.finish();
    watcher.finish();
}

/// Fay, whose publication ends in two seconds, and who watches her.
fn short_lived(scene: &Scene) -> (Publisher, Watcher) {
    const FAY: &str = "sip:fay@pres.example";
    let mut watcher = Watcher::udp(scene.server.udp_address(), FAY, ANN);
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    watcher.next_notification();
    let mut publisher = scene.publisher(FAY).expiring(2);
    assert_eq!(publisher.publish(&pidf::open(FAY, "t1", "short")).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["short"]);
    (publisher, watcher)
}

/// Asserts that whatever needs the database is answered 503 at once, also what would be refused for good otherwise.
fn assert_everybody_is_told_to_come_again(scene: &Scene, publisher: &mut Publisher, watcher: &mut Watcher) {
    let requests: [Message; 4] = [
        publisher.next_request(),
        publisher.next_request().with_body(pidf::CONTENT_TYPE, here("away")),
        publisher.next_request().set("Expires", 0),
        publisher.next_request().set("SIP-If-Match", "no-such-tag"),
    ];
    for request in requests {
        assert_unavailable_within(AT_ONCE, || publisher.request(request));
    }
    assert_unavailable_within(AT_ONCE, || scene.publisher(DANA).publish(&here("new")));
    assert_unavailable_within(AT_ONCE, || watcher.subscribe(300));
    let mut stranger = Watcher::udp(scene.server.udp_address(), DANA, "sip:bob@watch.example");
    let in_no_dialog = stranger.next_request(300).set("To", format!("<{DANA}>;tag=no-such-tag"));
    assert_unavailable_within(AT_ONCE, || stranger.request(in_no_dialog));
    for presentity in [DANA, "sip:nobody-asked-before@pres.example"] {
        let mut newcomer = Watcher::udp(scene.server.udp_address(), presentity, "sip:bob@watch.example");
        assert_unavailable_within(AT_ONCE, || newcomer.subscribe(300));
    }
    assert_answers_options(&scene.server);
}

/// Nobody is held up longer than `db_timeout`: not those who wait when the database stands still, not those who come later.
fn a_database_that_stands_still_holds_nobody_up(kind: Kind) {
    let scene = Scene::start(kind);
    let (mut publisher, mut watcher) = settled(&scene.server);
    scene.database.pause();
    std::thread::scope(|scope| {
        let ask = |mut publisher: Publisher, presentity: &'static str| {
            move || publisher.publish(&pidf::open(presentity, "t1", "waiting"))
        };
        for presentity in ["sip:a@pres.example", "sip:b@pres.example", "sip:c@pres.example"] {
            let publisher = scene.publisher(presentity);
            scope.spawn(move || assert_unavailable_within(DB_TIMEOUT + SLACK, ask(publisher, presentity)));
        }
        let newcomer = Watcher::udp(scene.server.udp_address(), "sip:d@pres.example", ANN);
        scope.spawn(move || {
            let mut newcomer = newcomer;
            assert_unavailable_within(DB_TIMEOUT + SLACK, || newcomer.subscribe(300));
        });
    });
    for _ in 0..3 {
        assert_everybody_is_told_to_come_again(&scene, &mut publisher, &mut watcher);
    }
    scene.database.resume();
    scene.assert_resumes(Instant::now());
    assert_eq!(publisher.modify(&here("after")).code(), Some(200), "{}", publisher.endpoint.ladder());
    // What she has may be told once more: the NOTIFY of what was refused never left.
    watcher.notification_where("the change", |notification| notification.notes() == ["after"]);

    // One who only waits for rules finds it out as well.
    scene.database.pause();
    let mut newcomer = Watcher::udp(scene.server.udp_address(), "sip:e@pres.example", ANN);
    assert_unavailable_within(DB_TIMEOUT + SLACK, || newcomer.subscribe(300));
    assert_everybody_is_told_to_come_again(&scene, &mut publisher, &mut watcher);
    scene.database.resume();
    scene.assert_resumes(Instant::now());
    assert_eq!(newcomer.subscribe(300).code(), Some(200));
    newcomer.next_notification();
    watcher.finish();
}

/// Many commit when the database stops in its tracks. Whatever it makes of what was under way, that is what everybody sees.
fn what_a_database_that_stood_still_has_done_is_what_is_shown(kind: Kind) {
    const DEVICES: usize = 6;
    let scene = Scene::start(kind);
    let mut client = scene.client();
    for round in 0..3_usize {
        let mut crowd: Vec<_> = (0..DEVICES).map(|n| Device::new(&scene, &format!("u{round}-{n}"))).collect();
        let (is_over, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for device in &mut crowd {
                let (is_over, acknowledged) = (&is_over, &acknowledged);
                scope.spawn(move || device.press_until(is_over, acknowledged));
            }
            // A moment in the middle of it, another one each time.
            wait_until("they are at it", || acknowledged.load(Ordering::Relaxed) >= 20 + 7 * round);
            scene.database.pause();
            is_over.store(true, Ordering::Relaxed);
        });
        scene.database.resume();
        scene.assert_resumes(Instant::now());
        let then: Vec<_> = crowd.iter_mut().map(|device| device.settled(&scene)).collect();
        scene.assert_resumes(Instant::now());
        for (device, note) in crowd.iter().zip(then) {
            assert_eq!(stored(&mut client, &device.user), note, "{} changed behind our back", device.user);
            assert_eq!(shown(&scene.server, &device.presentity), note);
        }
        crowd.into_iter().for_each(|device| device.watcher.finish());
    }
}

/// A device that changes its state as fast as it can.
struct Device {
    user: String,
    presentity: String,
    publisher: Publisher,
    watcher: Watcher,
    acknowledged: usize,
    refused: Option<usize>,
}

impl Device {
    fn new(scene: &Scene, user: &str) -> Self {
        let presentity = format!("sip:{user}@pres.example");
        let mut publisher = scene.publisher(&presentity);
        assert_eq!(publisher.publish(&pidf::open(&presentity, "t1", "0")).code(), Some(200));
        let mut watcher = Watcher::udp(scene.server.udp_address(), &presentity, ANN);
        assert_eq!(watcher.subscribe(600).code(), Some(200));
        Self { user: user.into(), presentity, publisher, watcher, acknowledged: 0, refused: None }
    }

    /// Publishes until it is refused.
    fn press_until(&mut self, is_over: &AtomicBool, acknowledged: &AtomicUsize) {
        while self.refused.is_none() {
            let next = self.acknowledged + 1;
            let answer = self.publisher.modify(&pidf::open(&self.presentity, "t1", &next.to_string()));
            match answer.code() {
                Some(200) => {
                    self.acknowledged = next;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                _ => {
                    assert_unavailable(&answer);
                    self.refused = Some(next);
                    assert!(is_over.load(Ordering::Relaxed), "refused before the database stood still");
                }
            }
        }
    }

    /// Returns what is published, once memory, database and watcher agree on it: what was acknowledged last, or what was
    /// refused after that.
    fn settled(&mut self, scene: &Scene) -> Vec<String> {
        let note = stored(&mut scene.client(), &self.user);
        let possible = [Some(self.acknowledged), self.refused].map(|number| number.map(|number| number.to_string()));
        assert!(note.len() == 1 && possible.contains(&note.first().cloned()), "{note:?}, not one of {possible:?}");
        assert_eq!(shown(&scene.server, &self.presentity), note, "memory is not what the database is");
        self.watcher.notification_where("the state in the database", |notification| notification.notes() == note);
        note
    }
}

fn a_database_that_is_restarted_in_order_costs_nothing_but_time(kind: Kind) {
    let mut scene = Scene::start(kind);
    let (mut publisher, mut watcher) = settled(&scene.server);
    let mut last = vec!["before".to_owned()];
    for round in 0..2 {
        scene.database.stop();
        assert_unavailable_within(DB_TIMEOUT, || publisher.modify(&here("lost")));
        assert_everybody_is_told_to_come_again(&scene, &mut publisher, &mut watcher);
        scene.database.restart();
        scene.assert_resumes(Instant::now());
        let note = format!("after {round}");
        assert_eq!(publisher.modify(&here(&note)).code(), Some(200));
        let told = watcher.notification_where("the change", |notification| notification.notes() != last);
        assert_eq!(told.notes(), [note.as_str()]);
        last = told.notes();
        assert_eq!(stored(&mut scene.client(), "dana"), [note]);
    }
    publisher.finish();
    watcher.finish();
}
