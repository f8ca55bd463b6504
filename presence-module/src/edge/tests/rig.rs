//! One server under test: a fake host, a store on command, and requests as a phone writes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use module_api::abi::{Argument, Arrival, CallResult, Host, Module, Outcome, OutcomeView, Request, RequestView};
use module_api::sip::message::{HeaderTable, scan};
use smol_str::SmolStr;

use super::fake_host::{FakeHost, SeenReply, SeenRequest};
use super::memory_store::MemoryStore;
use super::phone::Phone;
use crate::change::{PublicationRow, SubscriptionRow};
use crate::composition;
use crate::document::xml;
use crate::edge::ceilings::CeilingSettings;
use crate::edge::core::{AcceptedWith, Settings};
use crate::edge::identity::IdentitySource;
use crate::edge::presence::Presence;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::presentity_uri::PresentityUri;
use crate::publication::PublishPolicy;
use crate::subscription::SubscribePolicy;

/// As the quickstart has it.
pub(super) const POLICY: Policy = Policy {
    publish: PublishPolicy { max_expires_s: 3600, min_expires_s: 0, expires_offset_s: 0 },
    subscribe: SubscribePolicy { max_expires_s: 3600, min_expires_s: 0, cseq_offset: 0, one_per_device: false },
    limits: LIMITS,
    composition: composition::Policy::Union,
    force_active: true,
    notify_interval_ms: 0,
    waiting_time_s: 259_200,
    silence_ends: true,
};

/// What no test but those of bounds comes near.
const LIMITS: Limits =
    Limits { publications_max: 1000, document_bytes_max: 1 << 20, subscriptions_max: 100_000, undecided_max: 10_000 };

pub(super) struct Rig {
    pub(super) host: FakeHost,
    pub(super) store: MemoryStore,
    pub(super) presence: Presence,
    settings: Settings,
    transactions: AtomicU64,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with_queue_places(1000)
    }

    pub(super) fn with_queue_places(queue_places: usize) -> Self {
        Self::with(|settings| settings.queue_places = queue_places)
    }

    /// Starts under other settings than the quickstart's.
    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            policy: POLICY,
            shards: 8,
            queue_places: 1000,
            documents: xml::Limits::default(),
            unanswered_max: 1000,
            ceilings: CeilingSettings::default(),
            to_tag_prefix: "a".into(),
            clean_period: None,
            rules_poll_period: None,
            rules_doc_types: vec![1, 2],
            recovery_notify_rate: 1000,
            follows_source: true,
            identity: IdentitySource::From,
            domains: Vec::new(),
            server_address: SmolStr::default(),
            contact_user: SmolStr::default(),
            presentity_in_to: false,
            accepted: AcceptedWith::Code200,
        };
        change(&mut settings);
        Self::start(FakeHost::default(), MemoryStore::default(), settings)
    }

    fn start(host: FakeHost, store: MemoryStore, settings: Settings) -> Self {
        let opening = store.opening();
        let services = Host::new(host.clone(), "presence");
        let presence = Presence::serve(services, settings.clone(), Box::new(store.clone()), &opening);
        let presence = presence.expect("the memory store opens");
        Self { host, store, presence, settings, transactions: AtomicU64::new(1) }
    }

    /// Starts again on the same disk, as after a kill or after an orderly stop.
    pub(super) fn restart(self, is_clean: bool) -> Self {
        let settings = self.settings.clone();
        self.restart_with(is_clean, settings)
    }

    /// Starts again with `force_active` as given.
    pub(super) fn restart_forced(self, is_clean: bool, force_active: bool) -> Self {
        self.restart_under(is_clean, |settings| settings.policy.force_active = force_active)
    }

    /// Starts again under other settings.
    pub(super) fn restart_under(self, is_clean: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings.clone();
        change(&mut settings);
        self.restart_with(is_clean, settings)
    }

    fn restart_with(self, is_clean: bool, settings: Settings) -> Self {
        if is_clean {
            self.presence.drain();
            self.presence.stop();
        }
        let store = self.store.clone();
        // Its threads may still hold the old disk handle, but nobody gives them anything to write.
        drop(self);
        Self::start(FakeHost::default(), store, settings)
    }

    /// Calls a script function with a request; returns its transaction and what the script sees.
    pub(super) fn call(&self, function: usize, message: &str) -> (u64, CallResult) {
        self.call_with(function, message, &[])
    }

    /// Calls a script function with a request and arguments.
    pub(super) fn call_with(&self, function: usize, message: &str, arguments: &[Argument<'_>]) -> (u64, CallResult) {
        self.call_from(&Phone::of("somebody"), function, message, arguments)
    }

    /// Calls a script function with a request that comes from where `phone` is, as whom the host has authenticated.
    pub(super) fn call_from(
        &self,
        phone: &Phone<'_>,
        function: usize,
        message: &str,
        arguments: &[Argument<'_>],
    ) -> (u64, CallResult) {
        let transaction = self.transactions.fetch_add(1, Ordering::Relaxed);
        let mut table = HeaderTable::new();
        let message = scan(message.as_bytes(), &mut table).expect("the rig writes SIP");
        assert_eq!(message.defect(), None);
        let address = |text: &str| text.parse::<std::net::SocketAddr>().expect("an address").into();
        let arrival = Arrival {
            request_uri: message.request_uri(),
            transaction,
            flow: phone.flow,
            transport: phone.transport,
            source: address(phone.source),
            local: address("192.0.2.99:5060"),
            identity: phone.identity.as_bytes(),
            to_tag: b"",
        };
        let view = RequestView::new(&message, &arrival).expect("a request");
        (transaction, self.presence.call(function, &Request::new(&view), arguments))
    }

    pub(super) fn publish(&self, user: &str, call: &str, condition: &str, expires: u32, body: &str) -> u64 {
        self.call(0, &publish_request(user, call, condition, expires, body)).0
    }

    pub(super) fn subscribe(&self, watcher: &str, to_tag: &str, cseq: u32, expires: u32) -> u64 {
        let message = format!(
            "SUBSCRIBE sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{watcher}{cseq}\r\n\
             From: <sip:{watcher}@other.example>;tag=w\r\nTo: <sip:dana@pres.example>{to_tag}\r\nCall-ID: {watcher}\r\n\
             CSeq: {cseq} SUBSCRIBE\r\nContact: <sip:{watcher}@192.0.2.1>\r\nEvent: presence\r\nExpires: {expires}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.call(1, &message).0
    }

    /// Subscribes `watcher` at pres.example, in the dialog that `to_tag` names, to another Event than `presence`.
    pub(super) fn subscribe_to(&self, event: &str, watcher: &str, to_tag: &str, cseq: u32, expires: u32) -> u64 {
        Phone::of(watcher).subscribe(self, event, to_tag, cseq, expires)
    }

    /// Waits for the next NOTIFY of which `is_it` holds, from number `from` on, and confirms it.
    pub(super) fn next_notify(
        &self,
        what: &str,
        from: &mut usize,
        is_it: impl Fn(&SeenRequest) -> bool,
    ) -> SeenRequest {
        let (at, notify) = self.host.wait_for(what, |seen| {
            let found = seen.requests.iter().enumerate().skip(*from).find(|(_, notify)| is_it(notify));
            found.map(|(at, notify)| (at, notify.clone()))
        });
        *from = at + 1;
        self.confirm(&notify, 200);
        notify
    }

    /// Confirms every NOTIFY from number `from` on, up to one of which `is_it` holds, and returns that.
    pub(super) fn confirm_until(
        &self,
        what: &str,
        from: &mut usize,
        is_it: impl Fn(&SeenRequest) -> bool,
    ) -> SeenRequest {
        loop {
            let notify = self.next_notify(what, from, |_| true);
            if is_it(&notify) {
                return notify;
            }
        }
    }

    /// Waits for the answer to a transaction.
    pub(super) fn answer(&self, transaction: u64) -> SeenReply {
        self.host.wait_for("answer", |seen| seen.replies.iter().find(|reply| reply.transaction == transaction).cloned())
    }

    /// Returns what a counter says.
    pub(super) fn counted(&self, name: &str) -> i64 {
        let counted = self.host.with(|seen| seen.counted.iter().find(|(known, _)| known == name).cloned());
        counted.unwrap_or_else(|| panic!("no counter {name}")).1
    }

    pub(super) fn is_answered(&self, transaction: u64) -> bool {
        self.host.with(|seen| seen.replies.iter().any(|reply| reply.transaction == transaction))
    }

    /// Waits for the NOTIFY number `count` and returns it.
    pub(super) fn notify(&self, count: usize) -> SeenRequest {
        self.host.wait_for("NOTIFY", |seen| seen.requests.get(count - 1).cloned())
    }

    pub(super) fn notify_count(&self) -> usize {
        self.host.with(|seen| seen.requests.len())
    }

    pub(super) fn confirm(&self, notify: &SeenRequest, code: u16) {
        let view = OutcomeView::local(notify.token, code);
        self.presence.on_outcomes(&mut [Outcome::new(&view)].into_iter());
    }

    /// Answers a NOTIFY with a response that has further headers.
    pub(super) fn answer_with(&self, notify: &SeenRequest, code: u16, headers: &str) {
        let response = format!("SIP/2.0 {code} Said\r\n{headers}Content-Length: 0\r\n\r\n");
        let mut table = HeaderTable::new();
        let message = scan(response.as_bytes(), &mut table).expect("the rig writes SIP");
        let view = OutcomeView::of_response(notify.token, &message).expect("a response");
        self.presence.on_outcomes(&mut [Outcome::new(&view)].into_iter());
    }

    /// Publishes and subscribes until there is something to change: returns the entity-tag and the watcher's To-tag.
    pub(super) fn furnish(&self) -> (String, String) {
        let published = self.answer(self.publish("dana", "p0", "", 600, &document("first")));
        let subscribed = self.answer(self.subscribe("eli", "", 1, 600));
        self.confirm(&self.notify(1), 200);
        (header(&published, "SIP-ETag"), subscribed.to_tag)
    }

    /// What memory holds of Dana, to be compared with what the disk holds.
    pub(super) fn memory(&self) -> (Vec<PublicationRow>, Vec<SubscriptionRow>) {
        let dana = Arc::new(PresentityUri::new("dana", "pres.example"));
        let mut shard = self.presence.core().shards.lock(&dana);
        let Some(slot) = shard.get(&dana) else { return Default::default() };
        let publications = slot.presentity.publications().iter().map(|publication| publication.row.clone());
        (publications.collect(), slot.presentity.subscriptions().map(|usage| usage.row.to_row()).collect())
    }

    /// Returns whether anything is held of a user.
    pub(super) fn is_known(&self, user: &str) -> bool {
        let uri = PresentityUri::new(user, "pres.example");
        self.presence.core().shards.lock(&uri).get(&uri).is_some()
    }

    /// Lets time pass, and what is due by then be decided and committed.
    pub(super) fn pass(&self, by: Duration) {
        self.host.advance(by);
        self.presence.core().expire();
        self.until_settled();
    }

    /// Waits until nothing is queued and nothing is being read back.
    pub(super) fn until_settled(&self) {
        self.until("all is settled", || {
            let core = self.presence.core();
            let mut is_stale = false;
            core.shards.for_each(|slot| is_stale |= slot.is_stale);
            !is_stale && core.queue.settled() >= core.queue.last()
        });
    }

    /// Waits until `is_so`. It looks seldom: who looks all the time takes the processor from those who are waited for.
    pub(super) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(std::time::Instant::now() < deadline, "never: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn disk(&self) -> (Vec<PublicationRow>, Vec<SubscriptionRow>) {
        self.store.with(|disk| {
            (disk.publications.values().cloned().collect(), disk.subscriptions.values().cloned().collect())
        })
    }
}

pub(super) fn publish_request(user: &str, call: &str, condition: &str, expires: u32, body: &str) -> String {
    format!(
        "PUBLISH sip:{user}@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}\r\n\
         From: <sip:{user}@pres.example>;tag=f\r\nTo: <sip:{user}@pres.example>\r\nCall-ID: {call}\r\n\
         CSeq: 1 PUBLISH\r\nEvent: presence\r\nExpires: {expires}\r\n{condition}\
         Content-Type: application/pidf+xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) fn document(note: &str) -> String {
    format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:dana@pres.example\"><tuple id=\"t\"><status>\
         <basic>open</basic></status><note>{note}</note></tuple></presence>"
    )
}

pub(super) fn header(reply: &SeenReply, name: &str) -> String {
    let line = reply.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {reply:?}")).into()
}

pub(super) fn cseq(notify: &SeenRequest) -> u32 {
    let line = notify.head.lines().find_map(|line| line.strip_prefix("CSeq: ")).expect("a CSeq");
    line.split(' ').next().expect("a number").parse().expect("a number")
}
