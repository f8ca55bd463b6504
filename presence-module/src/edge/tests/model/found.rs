//! What went wrong once: each the shortest way there, named after what holds since.

use super::documents::Document;
use super::events::{Answer, Event, How, Sql, Then, To};
use super::rules;
use super::world::World;
use crate::edge::tests::rig::POLICY;
use crate::package::Package;
use crate::policy::Policy;

/// Phones of several people; who has the last says that he is Eli, and proves nothing.
const DANA: usize = 0;
const ELI: usize = 2;
const FAY: usize = 4;
const NO_ELI: usize = 10;

const PRESENCE: To = (Package::Presence, 0);
const WINFO: To = (Package::PresenceWinfo, 0);

const COMMIT: Event = Event::Commit { most: usize::MAX, then: Then::Queued };
const REFUSE: Event = Event::Commit { most: 0, then: Then::Refused };
const OK: Event = Event::Answer { nth: 0, with: Answer::Ok };
const PUBLISH: Event = Event::Publish {
    device: 0,
    document: Some(Document { note: 0, is_at_work: false, sphere: None }),
    expires: 60,
    sender: None,
};
const CRASH: Event = Event::Restart { is_orderly: false, away_ms: 0, rules: None };

fn subscribe(phone: usize, to: To, expires: u32) -> Event {
    Event::Subscribe { phone, to, expires }
}

fn in_dialog(phone: usize, to: To, expires: u32) -> Event {
    Event::InDialog { phone, to, expires, moves: false, how: How::Properly }
}

fn wait(ms: u64) -> Event {
    Event::Wait { ms, is_asleep: false }
}

/// Lets `events` happen, and sees whether everybody ends up with what is so.
fn check(policy: Policy, events: impl IntoIterator<Item = Event>) {
    let mut world = World::new(policy);
    events.into_iter().for_each(|event| world.meet(event));
    world.settle_down();
    world.check_quiet();
    world.check_end();
}

/// Nobody is decided on where there are no rules.
const UNDECIDED: Policy = Policy { force_active: false, ..POLICY };

#[test]
fn a_dialog_outlives_its_first_block_of_cseqs() {
    check(POLICY, [subscribe(ELI, PRESENCE, 60), COMMIT, OK, Event::Chat { phone: ELI }, Event::Chat { phone: ELI }]);
}

#[test]
fn who_asks_once_is_told_whatever_else_is_refused() {
    let asks = [subscribe(ELI, PRESENCE, 60), COMMIT, in_dialog(ELI, WINFO, 0), PUBLISH];
    check(POLICY, asks.into_iter().chain([OK, REFUSE]));
}

#[test]
fn who_is_refused_hears_nothing_in_a_dialog_that_it_has() {
    let has = [subscribe(ELI, PRESENCE, 60), COMMIT, OK];
    check(POLICY, has.into_iter().chain([PUBLISH, in_dialog(ELI, WINFO, 0), REFUSE]));
}

#[test]
fn after_a_crash_everybody_is_told_once_for_each_subscription_whatever_rules_are_in_force() {
    let shares = [subscribe(ELI, PRESENCE, 60), COMMIT, OK, in_dialog(ELI, (Package::Presence, 1), 60), COMMIT];
    check(POLICY, shares.clone().into_iter().chain([CRASH]));
    let changes = Event::Restart { is_orderly: false, away_ms: 0, rules: Some(rules::EVERYTHING_TO_ANYBODY) };
    check(POLICY, shares.into_iter().chain([changes]));
}

#[test]
fn who_is_not_decided_on_is_not_told_of_a_refused_commit() {
    check(UNDECIDED, [subscribe(ELI, PRESENCE, 60), COMMIT, OK, PUBLISH, REFUSE]);
}

#[test]
fn who_comes_and_goes_untold_leaves_no_empty_document() {
    let watches = [subscribe(DANA, WINFO, 60), COMMIT, OK, subscribe(ELI, PRESENCE, 1), COMMIT, OK];
    let policy = Policy { notify_interval_ms: 5000, ..POLICY };
    check(policy, watches.into_iter().chain([wait(2000), COMMIT, OK]));
}

#[test]
fn who_goes_untold_and_is_there_after_all_is_told_of() {
    let watches = [subscribe(DANA, WINFO, 60), COMMIT, OK, Event::LoseReply, subscribe(ELI, PRESENCE, 60), COMMIT];
    let policy = Policy { notify_interval_ms: 5000, ..POLICY };
    check(policy, watches.into_iter().chain([wait(5000), REFUSE]));
}

#[test]
fn who_says_that_he_is_another_does_not_keep_him_from_waiting() {
    check(UNDECIDED, [subscribe(NO_ELI, PRESENCE, 60), subscribe(ELI, PRESENCE, 1), COMMIT, wait(2000), COMMIT]);
}

#[test]
fn a_partial_document_says_until_when_somebody_subscribes_by_now() {
    let watches = [subscribe(DANA, WINFO, 60), COMMIT, subscribe(ELI, PRESENCE, 4), COMMIT];
    check(POLICY, watches.into_iter().chain([in_dialog(ELI, PRESENCE, 50), COMMIT, OK, OK, COMMIT]));
}

#[test]
fn s4_7_1_who_is_pending_after_all_was_never_approved() {
    let pending = [Event::Rules(Some(rules::ASK_ABOUT_ANYBODY)), subscribe(FAY, PRESENCE, 60), COMMIT, OK];
    let refused = [Event::Rules(Some(rules::EVERYTHING_TO_ANYBODY)), PUBLISH, REFUSE];
    let watches = [Event::Rules(Some(rules::ASK_ABOUT_ANYBODY)), Event::ReadBack, subscribe(DANA, WINFO, 60)];
    check(POLICY, pending.into_iter().chain(refused).chain(watches));
}

#[test]
fn versions_grow_over_a_refused_end_and_a_crash() {
    let lost = [Event::LoseReply, subscribe(DANA, WINFO, 60), COMMIT, wait(0), REFUSE, Event::ReadBack];
    check(POLICY, lost.into_iter().chain([wait(0), COMMIT, OK, COMMIT, CRASH]));
}

#[test]
fn silence_ends_a_subscription_whose_end_was_refused_before() {
    let lost = [Event::LoseReply, subscribe(ELI, PRESENCE, 60), COMMIT, wait(0), REFUSE, Event::ReadBack];
    check(POLICY, lost.into_iter().chain([Event::Answer { nth: 0, with: Answer::Silence }]));
}

#[test]
fn nothing_is_written_of_who_proves_nothing() {
    let proven = [subscribe(ELI, PRESENCE, 1), COMMIT, OK, wait(2000), COMMIT, OK];
    check(POLICY, proven.into_iter().chain([subscribe(NO_ELI, PRESENCE, 60), COMMIT]));
    check(UNDECIDED, [subscribe(NO_ELI, PRESENCE, 1), COMMIT, OK, wait(2000)]);
}

#[test]
fn who_began_a_dialog_speaks_in_it_whoever_else_does() {
    let joins = Event::InDialog { phone: DANA, to: PRESENCE, expires: 60, moves: false, how: How::Unproven };
    let begins = [subscribe(DANA, WINFO, 60), COMMIT, OK, joins, COMMIT, OK];
    check(POLICY, begins.into_iter().chain([in_dialog(DANA, WINFO, 60), COMMIT, OK, in_dialog(DANA, WINFO, 50)]));
}

#[test]
fn cseqs_grow_in_a_dialog_whose_end_was_refused() {
    let chats = [subscribe(DANA, PRESENCE, 60), Event::Chat { phone: DANA }, in_dialog(DANA, PRESENCE, 80), COMMIT];
    check(POLICY, chats.into_iter().chain([Event::Answer { nth: 0, with: Answer::Gone }, REFUSE]));
}

#[test]
fn a_rule_that_ceases_to_be_valid_while_nobody_serves_is_noticed_by_the_next_start() {
    let publish = Event::Publish {
        device: 0,
        document: Some(Document { note: 0, is_at_work: false, sphere: None }),
        expires: 300,
        sender: None,
    };
    let sees = [Event::Rules(Some(rules::NOTES_FOR_A_WHILE)), subscribe(ELI, PRESENCE, 300), publish, COMMIT, OK];
    let stops = Event::Restart { is_orderly: true, away_ms: 40_000, rules: None };
    check(POLICY, sees.into_iter().chain([wait(30_000), stops]));
}

#[test]
fn a_clock_that_is_set_makes_rules_valid_or_not_at_once() {
    let watches = [Event::Rules(Some(rules::NOTES_FOR_A_WHILE)), subscribe(ELI, PRESENCE, 60), PUBLISH, COMMIT, OK];
    let publish = |note| Event::Publish {
        device: 1,
        document: Some(Document { note, is_at_work: false, sphere: None }),
        expires: 60,
        sender: None,
    };
    let set = |by_s, note| [Event::SetClock { by_s }, publish(note), COMMIT, OK, COMMIT];
    check(POLICY, watches.into_iter().chain(set(30, 0)).chain(set(-25, 1)).chain(set(100, 2)));
}

#[test]
fn who_sends_again_what_was_answered_before_a_crash_is_there_though_it_takes_no_notify() {
    let repeats = Event::InDialog { phone: DANA, to: WINFO, expires: 60, moves: false, how: How::Late };
    let silence = Event::Answer { nth: 0, with: Answer::Silence };
    check(POLICY, [subscribe(DANA, WINFO, 60), COMMIT, CRASH, repeats, COMMIT, silence, OK]);
}

#[test]
fn who_repeats_a_request_after_its_next_was_refused_is_answered_as_before_the_crash() {
    let repeats = Event::InDialog { phone: ELI, to: PRESENCE, expires: 60, moves: false, how: How::Late };
    let crashed = [subscribe(ELI, PRESENCE, 60), COMMIT, CRASH, in_dialog(ELI, PRESENCE, 60), REFUSE, COMMIT];
    check(POLICY, crashed.into_iter().chain([repeats, COMMIT, OK]));
}

#[test]
fn who_repeats_a_request_for_what_is_over_since_begins_nothing() {
    let repeats = Event::InDialog { phone: ELI, to: PRESENCE, expires: 1, moves: false, how: How::Late };
    let shares = [subscribe(ELI, PRESENCE, 60), COMMIT, OK, in_dialog(ELI, WINFO, 60), COMMIT, OK];
    let refreshes = [in_dialog(ELI, PRESENCE, 1), COMMIT, OK];
    let away = Event::Restart { is_orderly: false, away_ms: 1700, rules: None };
    check(POLICY, shares.into_iter().chain(refreshes).chain([away, repeats, COMMIT]));
}

#[test]
fn a_dialog_goes_on_above_all_cseqs_whichever_of_its_rows_another_program_leaves() {
    for nth in [0, 1] {
        let shares = [subscribe(ELI, PRESENCE, 600), COMMIT, OK, in_dialog(ELI, WINFO, 600), COMMIT, OK];
        let chats = [Event::Chat { phone: ELI }, Event::Sql(Sql::Unsubscribe { nth }), CRASH, COMMIT];
        check(POLICY, shares.into_iter().chain(chats));
    }
}
