//! Connections that are cut under load, again and again: what was acknowledged stands, and nothing is there twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::database_server::Kind;
use tests::patience::wait_until;
use tests::pidf;
use tests::user_agent::Publisher;

use super::scene::{DEADLINE, Scene, assert_unavailable, shown, stored};

on! { [mariadb postgresql]
    connections_may_be_cut_at_any_moment,
}

/// Who publishes at a time.
const DEVICES: usize = 6;
/// How often connections are cut.
const CUTS: usize = 20;

fn connections_may_be_cut_at_any_moment(kind: Kind) {
    let scene = Scene::start(kind);
    let (is_over, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let lives: Vec<Life> = std::thread::scope(|scope| {
        let devices: Vec<_> = (0..DEVICES)
            .map(|number| {
                let (scene, is_over, acknowledged) = (&scene, &is_over, &acknowledged);
                scope.spawn(move || live(scene, number, is_over, acknowledged))
            })
            .collect();
        for cut in 0..CUTS {
            // In full traffic, at another moment of it each time.
            wait_for(&acknowledged, 2 * DEVICES + cut % 7);
            scene.database.cut_connections();
        }
        is_over.store(true, Ordering::Relaxed);
        devices.into_iter().flat_map(|device| device.join().expect("a device tells how it fared")).collect()
    });
    scene.assert_resumes(Instant::now());
    let refused = lives.iter().filter(|life| life.was_refused).count();
    assert!(refused > 0, "nobody was cut off");
    let mut client = scene.client();
    for life in &lives {
        // What a refused request may have made after all is ended with a later tick.
        wait_until(&format!("{} is published once\n{}", life.user, life.ladder), || {
            stored(&mut client, &life.user).len() <= 1
        });
        let there = stored(&mut client, &life.user);
        let what = there.first().cloned();
        assert!(
            life.possible.contains(&what),
            "{}: {what:?}, not one of {:?}\n{}",
            life.user,
            life.possible,
            life.ladder
        );
        assert_eq!(shown(&scene.server, &format!("sip:{}@pres.example", life.user)), there, "{}", life.user);
    }
}

/// Waits until so many more are acknowledged.
fn wait_for(acknowledged: &AtomicUsize, more: usize) {
    let (enough, began) = (acknowledged.load(Ordering::Relaxed) + more, Instant::now());
    while acknowledged.load(Ordering::Relaxed) < enough {
        assert!(began.elapsed() < DEADLINE, "traffic does not go on");
        std::thread::yield_now();
    }
}

/// What a device has done for one presentity.
struct Life {
    user: String,
    /// What may be published at its end: the state acknowledged last; where nobody knows, also what was asked for then.
    possible: HashSet<Option<String>>,
    was_refused: bool,
    ladder: String,
}

/// Publishes, changes and removes, for one presentity after the other.
fn live(scene: &Scene, device: usize, is_over: &AtomicBool, acknowledged: &AtomicUsize) -> Vec<Life> {
    let mut lives = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let user = format!("u{device}-{}", lives.len());
        lives.push(live_once(scene, user, is_over, acknowledged));
    }
    lives
}

/// Goes on until a request is refused whose outcome nobody can know, or all is over.
fn live_once(scene: &Scene, user: String, is_over: &AtomicBool, acknowledged: &AtomicUsize) -> Life {
    let presentity = format!("sip:{user}@pres.example");
    let mut publisher = scene.publisher(&presentity);
    let (mut state, mut possible, mut step) = (None, HashSet::new(), 0);
    let was_refused = loop {
        if is_over.load(Ordering::Relaxed) {
            break false;
        }
        let next = (step % 4 != 3).then(|| step.to_string());
        let answer = ask(&mut publisher, &presentity, state.is_some(), next.as_deref());
        if answer.code() == Some(200) {
            state = next;
            step += 1;
            acknowledged.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        assert_unavailable(&answer);
        possible.insert(next);
        break true;
    };
    if state.is_none() && was_refused {
        // Who was told that nothing was published publishes again: then it is there once.
        possible = HashSet::new();
        state = publish_at_last(&mut publisher, &presentity);
    }
    possible.insert(state);
    let ladder = publisher.endpoint.ladder();
    publisher.finish();
    Life { user, possible, was_refused, ladder }
}

fn ask(publisher: &mut Publisher, presentity: &str, is_there: bool, next: Option<&str>) -> tests::message::Message {
    match next {
        Some(note) if is_there => publisher.modify(&pidf::open(presentity, "t1", note)),
        Some(note) => publisher.publish(&pidf::open(presentity, "t1", note)),
        None => {
            let removal = publisher.next_request().set("Expires", 0);
            publisher.request(removal)
        }
    }
}

fn publish_at_last(publisher: &mut Publisher, presentity: &str) -> Option<String> {
    let asked = Instant::now();
    loop {
        let answer = publisher.publish(&pidf::open(presentity, "t1", "at last"));
        if answer.code() == Some(200) {
            return Some("at last".into());
        }
        assert_unavailable(&answer);
        assert!(asked.elapsed() < DEADLINE, "{}", publisher.endpoint.ladder());
        std::thread::sleep(Duration::from_millis(10));
    }
}
