//! A dialog as its notifier holds it: who is on the other side, our CSeq, and the one NOTIFY that may be under way
//! (RFC 3261 §12, RFC 6665 §4.2).
//!
//! Pure. While a NOTIFY's outcome is unknown nothing else is sent in the dialog; what happens meanwhile only makes it
//! dirty, and what it is told next is the state of the moment it is told.

use module_api::abi::Body;
use sha2::{Digest, Sha256};
use smallvec::{SmallVec, smallvec};
use smol_str::SmolStr;

use crate::change::{Ending, Moment, SubscriptionKey, SubscriptionRow};
use crate::planted::Planted;
use crate::usage::Usage;
use crate::watcher_mark::WatcherMark;

/// NOTIFY CSeqs are reserved in blocks of this size, so that a row is written once in so many NOTIFYs.
pub const CSEQ_BLOCK: u32 = 64;

/// No SUBSCRIBE comes again so long after it was sent first: 64·T1, and T4 on the way (RFC 3261 §17).
const REPEATS_MS: u64 = 37_000;
/// More NOTIFYs than a dialog can have in that time, and how often CSeqs can begin so far above each other.
const CSEQ_STEP: u32 = 1 << 20;
const CSEQ_STEPS: u64 = 1023;

/// Returns the CSeq above which those of a dialog begin that begins `served_ms` after start number `epoch`.
///
/// A SUBSCRIBE that comes again after a start, when all that it had begun is over, begins a dialog with the id of the
/// former, and its watcher takes only CSeqs above those. Once nothing can come again all dialogs begin with 1.
pub fn first_cseq_above(epoch: u64, served_ms: u64) -> u32 {
    match epoch.checked_sub(2) {
        Some(restarts) if served_ms < REPEATS_MS => CSEQ_STEP * (1 + restarts % CSEQ_STEPS) as u32,
        _ => 0,
    }
}

/// Identifies a dialog: a hash of Call-ID, local tag and remote tag, each byte for byte (RFC 3261 §12).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialogKey(pub [u8; 16]);

impl DialogKey {
    /// Hashes the parts of a dialog id.
    pub fn of(call_id: &[u8], local_tag: &[u8], remote_tag: &[u8]) -> Self {
        Self(hash(&[call_id, local_tag, remote_tag]))
    }

    /// Hashes the dialog id in a row.
    pub fn of_row(row: &SubscriptionRow) -> Self {
        Self::of(row.call_id.as_bytes(), row.local_tag.as_bytes(), row.remote_tag.as_bytes())
    }

    /// Returns the key of a subscription to `event` with `event_id` (empty for none) that begins in this dialog at
    /// `wall_ms`, which is cut to 48 bits.
    pub fn subscription(self, event: &str, event_id: &str, wall_ms: u64) -> SubscriptionKey {
        let mut key = hash(&[&self.0, event.as_bytes(), event_id.as_bytes()]);
        key[..6].copy_from_slice(&wall_ms.to_be_bytes()[2..]);
        SubscriptionKey(key)
    }
}

/// Stable over restarts and machines, because it is the key of a row.
fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (key, _) = digest.split_at(16);
    key.try_into().expect("split at 16")
}

/// A dialog and the subscriptions in it, which share its CSeqs.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Its identity.
    pub key: DialogKey,
    /// The least recently told first.
    usages: SmallVec<[Usage; 1]>,
    /// The CSeq of the last NOTIFY bound.
    cseq: u32,
    /// The highest CSeq of a request in the dialog.
    remote_cseq: u32,
    /// The NOTIFY whose outcome is unknown; most of the time there is none.
    in_flight: Option<Box<InFlight>>,
    /// The CSeq of its last request when it was taken up from its rows: that request may come again.
    resumed_at: Option<u32>,
}

#[derive(Clone, Debug)]
struct InFlight {
    cseq: u32,
    about: About,
    /// Whether it tells the end of the subscription.
    is_last: bool,
    has_document: bool,
    /// Whether the watcher has been heard of since: its silence means nothing any more.
    is_superseded: bool,
}

/// Which subscription a NOTIFY is about. A subscription that ends and begins again has another id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct About {
    /// Its key.
    pub key: SubscriptionKey,
    watcher_id: SmolStr,
}

impl About {
    fn of(usage: &Usage) -> Self {
        Self { key: usage.row.key, watcher_id: usage.row.watcher_id().into() }
    }

    /// Returns whether it is `usage`.
    pub fn is(&self, usage: &Usage) -> bool {
        self.key == usage.row.key && self.watcher_id == usage.row.watcher_id()
    }
}

/// What the outcome of a NOTIFY was about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// The subscription.
    pub about: About,
    /// Whether the watcher has been heard of since it was sent.
    pub is_superseded: bool,
}

impl Dialog {
    /// Begins a dialog whose NOTIFYs continue above `row.local_cseq` less one block: that much is reserved and unused.
    pub fn begin(key: DialogKey, usage: Usage) -> Self {
        let cseq = usage.row.local_cseq.saturating_sub(CSEQ_BLOCK);
        let remote_cseq = usage.row.remote_cseq;
        Self { key, usages: smallvec![usage], cseq, remote_cseq, in_flight: None, resumed_at: None }
    }

    /// Takes up a dialog from a row: every CSeq up to `row.local_cseq` may have been used.
    pub fn resume(key: DialogKey, mut usage: Usage) -> Self {
        let (mut cseq, remote_cseq) = (usage.row.local_cseq, usage.row.remote_cseq);
        if Planted::CseqReusedAfterCrash.is_here() {
            cseq = cseq.saturating_sub(CSEQ_BLOCK);
        }
        usage.number_from(cseq);
        Self { key, usages: smallvec![usage], cseq, remote_cseq, in_flight: None, resumed_at: Some(remote_cseq) }
    }

    /// Takes in a further subscription, or one that begins again; it takes the place of one with its key.
    pub fn add(&mut self, usage: Usage) {
        self.heard(usage.row.remote_cseq);
        self.put(usage);
    }

    fn put(&mut self, usage: Usage) {
        self.usages.retain(|known| known.row.key != usage.row.key);
        self.usages.push(usage);
    }

    /// Takes up a further subscription from its row.
    pub fn add_resumed(&mut self, usage: Usage) {
        self.cseq = self.cseq.max(usage.row.local_cseq);
        self.remote_cseq = self.remote_cseq.max(usage.row.remote_cseq);
        self.resumed_at = self.resumed_at.map(|_| self.remote_cseq);
        self.put(usage);
        self.usages.iter_mut().for_each(|usage| usage.number_from(self.cseq));
    }

    /// Takes back in a subscription whose end was refused.
    pub fn add_restored(&mut self, mut usage: Usage) {
        usage.number_from(self.cseq);
        self.put(usage);
    }

    /// Notes that the watcher sent a request with this CSeq.
    pub fn heard(&mut self, remote_cseq: u32) {
        self.remote_cseq = self.remote_cseq.max(remote_cseq);
        self.heard_again();
    }

    /// Notes that the watcher sent a request that it had sent before.
    pub fn heard_again(&mut self) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.is_superseded = true;
        }
    }

    /// Returns all subscriptions, those that are over and not yet told among them.
    pub fn usages(&self) -> &[Usage] {
        &self.usages
    }

    /// Returns them to be changed.
    pub fn usages_mut(&mut self) -> &mut [Usage] {
        &mut self.usages
    }

    /// Returns the subscription `key`.
    pub fn usage(&self, key: SubscriptionKey) -> Option<&Usage> {
        self.usages.iter().find(|usage| usage.row.key == key)
    }

    /// Returns the subscription to `event` with `event_id`, or else one that is over.
    pub fn usage_of(&self, event: &str, event_id: &str) -> Option<&Usage> {
        let is_it = |usage: &&Usage| usage.row.event() == event && usage.row.event_id() == event_id;
        let mut all = self.usages.iter().filter(is_it);
        all.clone().find(|usage| !usage.is_ending()).or_else(|| all.next())
    }

    /// Returns the key of a subscription to `event` with `event_id` that begins at `wall_ms`: that of the one whose place it
    /// takes, if there is one whose end is not told.
    pub fn begin_key(&self, event: &str, event_id: &str, wall_ms: u64) -> SubscriptionKey {
        let former = self.usage_of(event, event_id).map(|usage| usage.row.key);
        former.unwrap_or_else(|| self.key.subscription(event, event_id, wall_ms))
    }

    /// Returns the subscription `key`, to be changed.
    pub fn usage_mut(&mut self, key: SubscriptionKey) -> Option<&mut Usage> {
        self.usages.iter_mut().find(|usage| usage.row.key == key)
    }

    /// Returns a subscription that is alive at `now`: it knows what all of them share.
    pub fn any_live(&self, now: Moment) -> Option<&Usage> {
        self.usages.iter().find(|usage| usage.is_live(now))
    }

    /// Returns who subscribes in it at `now`, as far as anything there was asked for with proof; empty for nobody knows.
    pub fn identity(&self, now: Moment) -> &str {
        let mut proven = self.usages.iter().filter(|usage| usage.is_live(now) && !usage.row.identity().is_empty());
        proven.next().map_or("", |usage| usage.row.identity())
    }

    /// Returns whether `usage` was begun or refreshed last by a request with this CSeq, before a crash that may have lost
    /// the answer: then the request comes again.
    pub fn is_repeated(&self, usage: &Usage, cseq: u32) -> bool {
        self.resumed_at == Some(cseq) && cseq == self.remote_cseq && cseq == usage.row.remote_cseq
    }

    /// Counts requests from what the rows say: what was refused was never heard.
    pub fn restore_remote_cseq(&mut self) {
        let known = self.usages.iter().map(|usage| usage.row.remote_cseq).max();
        self.remote_cseq = known.unwrap_or(self.remote_cseq);
    }

    /// Returns the CSeq of the last request in the dialog.
    pub fn remote_cseq(&self) -> u32 {
        self.remote_cseq
    }

    /// Returns the highest CSeq that every row reserves: any of them may be all that is left of the dialog.
    pub fn reserved(&self) -> u32 {
        let live = self.usages.iter().filter(|usage| !usage.is_ending());
        live.map(|usage| usage.row.local_cseq).min().unwrap_or(CSEQ_BLOCK)
    }

    /// Returns whether a NOTIFY's outcome is unknown.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Returns whether everybody knows everything, and has said so.
    pub fn is_told(&self) -> bool {
        !self.is_busy() && self.usages.iter().all(Usage::is_told)
    }

    /// Returns the subscription to which a NOTIFY can be bound at `now`.
    pub fn due(&self, now: Moment) -> Option<&Usage> {
        let is_free = self.in_flight.is_none() || Planted::TwoUnderWay.is_here();
        self.usages.iter().find(|usage| is_free && usage.is_due(now))
    }

    /// Returns when what is owed may leave, if that is a matter of time.
    pub fn waits_until(&self) -> Option<Moment> {
        self.usages.iter().filter_map(Usage::waits_until).min()
    }

    /// Returns whether nothing is left to tell or to wait for.
    pub fn is_over(&self) -> bool {
        self.in_flight.is_none() && self.usages.is_empty()
    }

    /// Removes the subscriptions that are over and have nothing to tell, and returns their keys and whose they were.
    pub fn remove_silent(&mut self) -> SmallVec<[(SubscriptionKey, WatcherMark); 1]> {
        let is_silent = |usage: &Usage| usage.ending() == Some(Ending::Silent);
        let silent = self.usages.iter().filter(|usage| is_silent(usage));
        let gone = silent.map(|usage| (usage.row.key, WatcherMark::of_row(&usage.row))).collect();
        self.usages.retain(|usage| !is_silent(usage));
        gone
    }

    /// Binds the next NOTIFY, about subscription `key` and with `document`, and returns its CSeq: exactly one higher
    /// than the last (RFC 3261 §12.2.1.1).
    pub fn bind(&mut self, key: SubscriptionKey, document: &Body, quiet_until: Moment) -> u32 {
        self.cseq += 1;
        if let Some(at) = self.usages.iter().position(|usage| usage.row.key == key) {
            let mut usage = self.usages.remove(at);
            self.in_flight = Some(Box::new(InFlight {
                cseq: self.cseq,
                about: About::of(&usage),
                is_last: usage.is_ending(),
                has_document: !document.is_empty(),
                is_superseded: false,
            }));
            usage.told(document, quiet_until);
            self.usages.push(usage);
        }
        self.cseq
    }

    /// Returns the rows to write first, each with its new upper bound, if the CSeq of the last NOTIFY passes what they
    /// reserve.
    pub fn reserve(&mut self) -> SmallVec<[(SubscriptionKey, u32); 1]> {
        if self.reserved() >= self.cseq {
            return SmallVec::new();
        }
        let local_cseq = self.cseq + CSEQ_BLOCK - 1;
        let live = self.usages.iter_mut().filter(|usage| !usage.is_ending());
        live.map(|usage| {
            usage.row.local_cseq = local_cseq;
            (usage.row.key, local_cseq)
        })
        .collect()
    }

    /// Takes back a NOTIFY that never left, because what it rests on was refused.
    pub fn unbind(&mut self, cseq: u32) {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.cseq == cseq) else { return };
        self.cseq = cseq - 1;
        if let Some(usage) = self.usages.iter_mut().find(|usage| in_flight.about.is(usage)) {
            usage.take_back(in_flight.has_document);
        }
    }

    /// Notes that the outcome of NOTIFY `cseq` is known, and returns what it was about; `None` if it was not under way.
    pub fn settle(&mut self, cseq: u32) -> Option<Told> {
        let InFlight { about, is_last, is_superseded, .. } =
            *self.in_flight.take_if(|in_flight| in_flight.cseq == cseq)?;
        let told = self.usages.iter_mut().find(|usage| about.is(usage));
        if let Some(usage) = told.filter(|usage| is_last && usage.is_ending()) {
            usage.end(Ending::Silent);
        }
        Some(Told { about, is_superseded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseqs_begin_above_those_of_the_start_before_and_leave_room_below_2_to_the_31() {
        assert_eq!((first_cseq_above(0, 0), first_cseq_above(1, 0)), (0, 0));
        let above: Vec<_> = (2..2 + 2 * CSEQ_STEPS).map(|epoch| first_cseq_above(epoch, REPEATS_MS - 1)).collect();
        assert!(above.iter().all(|above| (CSEQ_STEP..1 << 30).contains(above)));
        let steps = above.windows(2).filter(|pair| pair[0] + CSEQ_STEP == pair[1]).count() as u64;
        assert_eq!(steps, 2 * CSEQ_STEPS - 2, "all but the one where they begin again");
        assert_eq!(first_cseq_above(7, REPEATS_MS), 0);
    }

    #[test]
    fn keys_are_in_the_order_in_which_subscriptions_begin() {
        let key = |dialog, event_id, wall_ms| DialogKey([dialog; 16]).subscription("presence", event_id, wall_ms);
        assert!(key(9, "", 1_700_000_000_000) < key(1, "", 1_700_000_000_001));
        let same_moment = [key(1, "", 5), key(1, "2", 5), key(2, "", 5), key(2, "2", 5)];
        assert_eq!(same_moment.iter().collect::<std::collections::BTreeSet<_>>().len(), same_moment.len());
    }

    #[test]
    fn what_takes_the_place_of_a_subscription_takes_its_key() {
        let mut row = crate::store::fixtures::subscription(1, "dana");
        let key = DialogKey::of_row(&row);
        (row.event, row.event_id) = ("presence".into(), "".into());
        row.key = key.subscription("presence", "", 1000);
        let mut dialog = Dialog::begin(key, Usage::new(&row, Moment(60_000), 0, 0));
        dialog.usages_mut()[0].end(Ending::Unsubscribed);
        assert_eq!(dialog.begin_key("presence", "", 2000), row.key, "its watcher hears of one subscription");
        assert_eq!(dialog.begin_key("presence", "2", 2000), key.subscription("presence", "2", 2000));
    }
}
