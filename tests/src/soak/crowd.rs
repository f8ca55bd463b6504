//! Users in good order: each slice of time some of them do what they may do next, and the generator checks all that follows.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::chance::Chance;
use crate::load::Work;
use crate::load::figures::{Faults, Seen};
use crate::load::generator::{Generator, Pace};
use crate::load::wire::Wire;

/// Who watches each user.
const WATCHERS_EACH: usize = 3;
/// As much may be unfinished at a time.
const WINDOW: usize = 64;

/// All of them, and what they have seen.
pub struct Crowd {
    generator: Generator,
    users: usize,
    chance: Chance,
    /// Requests done, and NOTIFYs.
    pub done: (usize, usize),
    /// What was not in order; watchers with an old document are counted whenever that is looked at.
    pub faults: Faults,
}

impl Crowd {
    /// Has all of `users` publish, and all their watchers subscribe.
    pub fn begin(server: SocketAddr, users: usize, seed: u64) -> Self {
        let watched = (0..users).flat_map(|user| std::iter::repeat_n(user as u32, WATCHERS_EACH));
        let generator = Generator::new(Wire::udp(server), users, watched);
        let (done, faults) = ((0, 0), Faults::default());
        let mut crowd = Self { generator, users, chance: Chance::new(seed), done, faults };
        let everybody = (0..users).map(|user| (Work::PublishInitial, user));
        let watchers = (0..users * WATCHERS_EACH).map(|watcher| (Work::SubscribeInitial, watcher));
        crowd.have(everybody.collect(), None);
        crowd.have(watchers.collect(), None);
        crowd
    }

    /// Goes on for `slice` at `rate` requests a second.
    pub fn go_on(&mut self, slice: Duration, rate: f64) {
        let count = ((rate * slice.as_secs_f64()) as usize).clamp(1, self.users / 2);
        let (mut chosen, mut works) = (HashSet::new(), Vec::with_capacity(count));
        // So few are about to lapse that somebody is found.
        while works.len() < count {
            let user = self.chance.below(self.users);
            let watchers: [usize; WATCHERS_EACH] = std::array::from_fn(|n| user * WATCHERS_EACH + n);
            if chosen.insert(user) && self.generator.is_steady(user, &watchers) {
                works.push(self.next(user, watchers));
            }
        }
        self.have(works, Some(rate));
    }

    /// What a user or one of its watchers does next.
    fn next(&mut self, user: usize, watchers: [usize; WATCHERS_EACH]) -> (Work, usize) {
        let percent = self.chance.below(100);
        if self.chance.is(50) {
            let work = match (self.generator.publishes(user), percent) {
                (false, 0..10) => Work::PublishBriefly,
                (false, _) => Work::PublishInitial,
                (true, 0..60) => Work::PublishModify,
                (true, 60..90) => Work::PublishRefresh,
                (true, _) => Work::PublishRemove,
            };
            return (work, user);
        }
        let watcher = watchers[self.chance.below(WATCHERS_EACH)];
        let work = match (self.generator.subscribes(watcher), percent) {
            (false, 0..10) => Work::SubscribeBriefly,
            (false, 10..20) => Work::SubscribeUnknown,
            (false, _) => Work::SubscribeInitial,
            (true, 0..70) => Work::SubscribeRefresh,
            (true, _) => Work::Unsubscribe,
        };
        (work, watcher)
    }

    /// Has everybody end what there is.
    pub fn end(&mut self) {
        let watchers = (0..self.users * WATCHERS_EACH).filter(|watcher| self.generator.subscribes(*watcher));
        let works = watchers.map(|watcher| (Work::Unsubscribe, watcher)).collect();
        self.have(works, None);
        let users = (0..self.users).filter(|user| self.generator.publishes(*user));
        let works = users.map(|user| (Work::PublishRemove, user)).collect();
        self.have(works, None);
    }

    /// Returns whether nobody publishes or watches any more of those who ended it by asking for little.
    pub fn is_steady(&self) -> bool {
        let watchers = |user: usize| -> [usize; WATCHERS_EACH] { std::array::from_fn(|n| user * WATCHERS_EACH + n) };
        (0..self.users).all(|user| self.generator.is_steady(user, &watchers(user)))
    }

    /// Answers what comes meanwhile, and begins nothing.
    pub fn listen(&mut self, lasting: Duration) {
        let mut seen = Seen::default();
        self.generator.listen(lasting, &mut seen);
        self.add(&seen);
    }

    fn have(&mut self, works: Vec<(Work, usize)>, rate: Option<f64>) {
        let seen = self.generator.run_each(works.into_iter(), Pace { window: WINDOW, rate });
        self.add(&seen);
    }

    fn add(&mut self, seen: &Seen) {
        self.done.0 += seen.done;
        self.done.1 += seen.notified;
        self.faults.add(seen.faults);
    }
}
