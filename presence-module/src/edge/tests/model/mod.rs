//! One presentity against a reference model: whatever happens in whatever order, and whichever commits are refused.
//!
//! Single-threaded and deterministic. Every commit, answer and NOTIFY is compared with the model as it happens, and what
//! everybody knows once all is quiet.

mod people; // who watches
mod rules; // whom Dana lets see what
mod documents; // what is published of her
mod events; // what may happen
mod records; // what the reference model knows of each
mod truth; // the reference model
mod clocks; // time in it
mod requests; // what requests come to in it
mod wire; // what watchers are told, NOTIFY by NOTIFY
mod table; // watcher information, document by document
mod phones; // what clients ask for and know
mod world; // the machine and its disk
mod refusals; // what is refused
mod sql; // what another program writes
mod running; // time, stops and starts
mod checks; // what holds after every step and in the end
mod chance; // what happens, at random
mod found; // what went wrong once

use proptest::prelude::*;

use crate::package::Package;
use events::{Answer, Event, How, Then};
use world::World;

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_ends_up_with_what_is_so(
        policy in chance::policy(),
        events in proptest::collection::vec(chance::event(), 0..100),
    ) {
        let mut world = World::new(policy);
        for event in events {
            world.meet(event);
        }
        world.settle_down();
        world.check_quiet();
        world.check_end();
    }
}

impl World {
    fn meet(&mut self, event: Event) {
        match event {
            Event::Answer { nth, with } => {
                if let Some(dialog) = self.waiting(nth) {
                    self.answer(dialog, with);
                }
            }
            Event::Chat { phone } => self.chat(phone),
            Event::Commit { most, then } => self.commit(most, then),
            Event::InDialog { phone, to, expires, moves, how } => {
                self.ask_in_dialog(phone, to, expires, moves, how);
            }
            Event::LoseReply => self.loses_next = true,
            Event::Panic if self.is_stale() => {}
            Event::Panic => self.panic(),
            Event::Publish { device, document, expires, sender } => self.publish(device, document, expires, sender),
            Event::ReadBack => self.read_back(),
            Event::Restart { is_orderly, away_ms, rules } => {
                if is_orderly {
                    self.drain();
                }
                self.restart(away_ms, rules);
            }
            Event::Rules(Some(rules)) => {
                (self.rules, self.are_readable) = (rules, true);
                if self.presentity.knows_rules() || self.presentity.is_watched() {
                    self.read_rules();
                }
            }
            Event::Rules(None) => {
                self.are_readable = false;
                self.presentity.forget_rules();
            }
            Event::SetClock { by_s } => self.set_clock(by_s),
            Event::Sql(sql) => self.sql(sql),
            Event::Subscribe { phone, to, expires } => self.subscribe(phone, to, expires),
            Event::Wait { ms, is_asleep } => self.wait(ms, is_asleep),
        }
    }

    fn chat(&mut self, phone: usize) {
        for _ in 0..33 {
            for to in [(Package::Presence, 0), (Package::PresenceWinfo, 0)] {
                self.commit(usize::MAX, Then::Queued);
                self.ask_in_dialog(phone, to, 80, false, How::Properly);
                self.commit(usize::MAX, Then::Queued);
                if let Some(dialog) = self.phones.dialogs[phone]
                    && self.wire.dialogs.get(&dialog).is_some_and(|dialog| dialog.in_flight.is_some())
                {
                    self.answer(dialog, Answer::Ok);
                }
            }
        }
    }
}
