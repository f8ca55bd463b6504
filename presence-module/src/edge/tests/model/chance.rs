//! What happens, at random: all that may, and what is rare often enough.

use proptest::prelude::*;

use super::documents::Document;
use super::events::{Answer, DEVICES, Event, How, Sql, Then, To};
use super::people::{PEOPLE, PHONES};
use super::rules;
use crate::composition;
use crate::edge::tests::rig::POLICY;
use crate::package::Package;
use crate::policy::Policy;
use crate::subscription::SubscribePolicy;

/// Returns any document.
fn document() -> impl Strategy<Value = Document> {
    let sphere = prop_oneof![4 => Just(None), 2 => Just(Some("work")), 1 => Just(Some("home"))];
    (0..3_u8, any::<bool>(), sphere).prop_map(|(note, is_at_work, sphere)| Document { note, is_at_work, sphere })
}

fn to() -> impl Strategy<Value = To> {
    let package = prop_oneof![
        7 => Just(Package::Presence),
        4 => Just(Package::PresenceWinfo),
        1 => Just(Package::PresenceWinfoWinfo),
    ];
    (package, prop_oneof![3 => Just(0), 1 => Just(1)])
}

fn phone() -> impl Strategy<Value = usize> {
    // The owner and Eli more often than the others.
    prop_oneof![0..PHONES, 0..4_usize]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        24 => Just(Answer::Ok),
        1 => Just(Answer::Moved),
        1 => Just(Answer::Failed),
        1 => Just(Answer::Gone),
        1 => (1..20_u32).prop_map(Answer::Later),
        1 => Just(Answer::Silence),
        1 => Just(Answer::Unknown),
        1 => Just(Answer::Unreachable),
    ]
}

fn sql() -> impl Strategy<Value = Sql> {
    let expires = || prop_oneof![1 => Just(0), 6 => 1_u32..90, 1 => Just(9000)];
    prop_oneof![
        3 => (0..DEVICES, document(), expires()).prop_map(|(device, document, expires)| Sql::Insert { device, document, expires }),
        3 => (0..8_usize, document(), expires()).prop_map(|(nth, document, expires)| Sql::Change { nth, document, expires }),
        2 => (0..8_usize).prop_map(|nth| Sql::Remove { nth }),
        2 => (0..8_usize).prop_map(|nth| Sql::Unsubscribe { nth }),
    ]
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let expires = || prop_oneof![1 => Just(0), 4 => 1_u32..90];
    let how = prop_oneof![18 => Just(How::Properly), 1 => Just(How::Late), 1 => Just(How::Stranger), 1 => Just(How::Unproven)];
    let then = prop_oneof![16 => Just(Then::Queued), 4 => Just(Then::Refused), 2 => Just(Then::Away), 1 => Just(Then::Crash), 2 => Just(Then::Gone)];
    prop_oneof![
        40 => (0..8_usize, answer()).prop_map(|(nth, with)| Event::Answer { nth, with }),
        30 => (0..5_usize, then).prop_map(|(most, then)| Event::Commit { most, then }),
        25 => (0..DEVICES, proptest::option::weighted(0.8, document()), expires(), proptest::option::weighted(0.1, 0..PEOPLE.len()))
            .prop_map(|(device, document, expires, sender)| Event::Publish { device, document, expires, sender }),
        25 => (phone(), to(), expires()).prop_map(|(phone, to, expires)| Event::Subscribe { phone, to, expires }),
        25 => (phone(), to(), expires(), proptest::bool::weighted(0.1), how)
            .prop_map(|(phone, to, expires, moves, how)| Event::InDialog { phone, to, expires, moves, how }),
        12 => (0..15_000_u64, proptest::bool::weighted(0.2)).prop_map(|(ms, is_asleep)| Event::Wait { ms, is_asleep }),
        2 => (0..60_000_u64, any::<bool>()).prop_map(|(ms, is_asleep)| Event::Wait { ms, is_asleep }),
        12 => proptest::option::weighted(0.95, 0..rules::COUNT).prop_map(Event::Rules),
        4 => Just(Event::ReadBack),
        6 => (any::<bool>(), prop_oneof![0..2000_u64, 0..40_000_u64], proptest::option::weighted(0.2, 0..rules::COUNT))
            .prop_map(|(is_orderly, away_ms, rules)| Event::Restart { is_orderly, away_ms, rules }),
        2 => Just(Event::LoseReply),
        2 => Just(Event::Panic),
        8 => sql().prop_map(Event::Sql),
        2 => (-40..60_i64).prop_map(|by_s| Event::SetClock { by_s }),
        1 => phone().prop_map(|phone| Event::Chat { phone }),
    ]
}

/// Returns any policy that makes a difference here.
pub(super) fn policy() -> impl Strategy<Value = Policy> {
    let notify_interval_ms = prop_oneof![Just(0), Just(5000)];
    let waiting_time_s = prop_oneof![Just(15), Just(70), Just(100_000)];
    let composition = prop_oneof![
        Just(composition::Policy::Union),
        Just(composition::Policy::Newest),
        Just(composition::Policy::Oma)
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (notify_interval_ms, waiting_time_s, composition, flags).prop_map(
        |(notify_interval_ms, waiting_time_s, composition, flags)| {
            let (one_per_device, force_active, silence_ends) = flags;
            let subscribe = SubscribePolicy { one_per_device, ..POLICY.subscribe };
            Policy { notify_interval_ms, waiting_time_s, composition, subscribe, force_active, silence_ends, ..POLICY }
        },
    )
}
