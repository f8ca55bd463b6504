//! Effects on their way out: replies first, then NOTIFYs, each kind in one call to the host.

use std::cell::Cell;

use module_api::abi::{Destination, OutgoingRequest, Reply as WireReply, ReplyOutcome, SocketAddress};

use super::core::Core;
use super::driver::Job;
use crate::effect::{Effect, Notification, Reply};
use crate::notification::{next_hop, write_head};

/// NOTIFYs sent by the thread that committed them; a longer fan-out goes to the driver, so that commits go on.
const SENT_BY_WRITER_MAX: usize = 64;
/// NOTIFYs handed to the host in one call.
const CHUNK: usize = 64;

thread_local! {
    /// What this thread rendered NOTIFYs into last: the allocator need not fetch pages for the next ones.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
/// What a thread keeps of it, at most.
const SPARE_BYTES_MAX: usize = 256 * 1024;

/// Effects of several presentities that may leave together.
#[derive(Default)]
pub(super) struct Outgoing {
    replies: Vec<Reply>,
    notifications: Vec<Notification>,
}

impl Outgoing {
    /// Has room for what most decisions come to, an answer and a NOTIFY each.
    pub(super) fn of(decisions: usize) -> Self {
        Self { replies: Vec::with_capacity(decisions), notifications: Vec::with_capacity(decisions) }
    }

    pub(super) fn add(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply(reply) => self.replies.push(reply),
                Effect::Notify(notification) => self.notifications.push(notification),
            }
        }
    }
}

impl Core {
    /// Lets effects leave at once.
    pub(super) fn act(&self, effects: Vec<Effect>) {
        let mut outgoing = Outgoing::default();
        outgoing.add(effects);
        self.send(outgoing);
    }

    /// Lets effects leave; what is too long for the calling thread goes to the driver.
    pub(super) fn send(&self, outgoing: Outgoing) {
        self.send_settling(outgoing, || {});
    }

    /// Lets replies leave, then runs `settle`, which lets others build on what they say, then lets NOTIFYs leave: no
    /// NOTIFY that another thread binds meanwhile may overtake the answer to its SUBSCRIBE.
    pub(super) fn send_settling(&self, outgoing: Outgoing, settle: impl FnOnce()) {
        self.reply(&outgoing.replies);
        settle();
        if outgoing.notifications.len() <= SENT_BY_WRITER_MAX {
            self.notify(&outgoing.notifications);
        } else {
            self.hand_over(Job::Notify(outgoing.notifications));
        }
    }

    /// Gives the driver something to do; it is gone only once nothing is served any more.
    pub(super) fn hand_over(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            self.warn("a message was not sent: the module is stopping");
        }
    }

    fn reply(&self, replies: &[Reply]) {
        if replies.is_empty() {
            return;
        }
        let wire: Vec<_> = replies.iter().map(wire_reply).collect();
        let mut outcomes = vec![ReplyOutcome::NOT_SENT; wire.len()];
        self.host.reply_batch(&wire, &mut outcomes);
        for (reply, outcome) in replies.iter().zip(outcomes) {
            if let (Some(created), ReplyOutcome::STALE) = (&reply.created, outcome) {
                self.hand_over(Job::ReplyLost(created.clone()));
            }
        }
    }

    pub(super) fn notify(&self, notifications: &[Notification]) {
        let mut heads = SPARE.take();
        for chunk in notifications.chunks(CHUNK) {
            heads.clear();
            let rendered: Vec<_> = chunk.iter().map(|notification| write_head(notification, &mut heads)).collect();
            let mut start = 0;
            let requests = chunk.iter().zip(&rendered).map(|(notification, rendered)| {
                let head = &heads[start..rendered.end];
                start = rendered.end;
                let body = notification.body.clone();
                OutgoingRequest::new(token(notification), destination(notification), head, rendered.via_at, body)
            });
            let requests: Vec<_> = requests.collect();
            self.host.send_batch(&requests);
            self.metrics.add(self.metrics.notifies, chunk.len());
        }
        heads.clear();
        heads.shrink_to(SPARE_BYTES_MAX);
        SPARE.set(heads);
    }
}

/// A NOTIFY's token: its dialog, in two halves, and its CSeq.
fn token(notification: &Notification) -> module_api::abi::Token {
    let dialog = u128::from_be_bytes(notification.dialog.0);
    [(dialog >> 64) as u64, dialog as u64, notification.cseq.into()]
}

fn wire_reply(reply: &Reply) -> WireReply<'_> {
    let wire = WireReply::new(reply.transaction, reply.code, reply.to_tag.as_bytes(), &reply.headers)
        .with_reason(&reply.reason);
    if reply.mirror_record_route { wire.with_record_route() } else { wire }
}

/// Chooses where a NOTIFY goes: its connection, the source of a watcher behind a NAT, else what the dialog says.
fn destination(notification: &Notification) -> Destination<'_> {
    let row = &notification.row;
    let local = row.socket().map_or(SocketAddress::NONE, |socket| socket.address.into());
    let mut destination = Destination::to_uri(next_hop(row), local);
    destination.flow = notification.flow;
    if let Some(received) = row.received() {
        (destination.address, destination.transport) = (received.address.into(), received.transport);
    }
    destination
}
