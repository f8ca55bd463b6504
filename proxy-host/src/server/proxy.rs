//! A server that is up: messages in, answers out.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use module_api::abi::{OutcomeView, RunningModule};
use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, Message, ScanError, scan};
use module_api::sip::method::Method;
use module_api::sip::via::Via;
use module_api::sip::writer::ResponseHead;

use super::call::RequestContext;
use super::capabilities::Capabilities;
use super::plan::Callable;
use crate::script::{MainRoute, Outcome as ScriptOutcome, Program};
use crate::transaction::answer::Answer;
use crate::transaction::client_table::Answered;
use crate::transaction::server_table::Matched;
use crate::transaction::table::Outcome;
use crate::transport::address::Peer;
use crate::transport::framing::Broken;
use crate::transport::tcp::StreamHandler;
use crate::transport::udp::WhenFull;
use crate::user_agent::Request;
use crate::user_agent::checks::{Refusal, examine};
use crate::user_agent::outbox::Outbox;
use crate::user_agent::stateless::write_answer;
use crate::user_agent::wire::Wire;

/// Everything a message meets.
pub struct Proxy {
    /// Sockets and transactions.
    pub wire: Arc<Wire>,
    pub(crate) program: Program,
    /// What the program's function indices stand for.
    pub(crate) callables: Vec<Vec<Callable>>,
    /// Empty until all of them have started.
    pub(crate) modules: OnceLock<Vec<RunningModule>>,
    /// What it says it can do.
    pub(crate) capabilities: Capabilities,
}

/// An outcome of a request of ours, with its response.
pub(crate) struct Arrived<'m> {
    outcome: Outcome,
    message: Message<'m>,
}

impl Proxy {
    /// Returns the modules in the order of their lines.
    pub(super) fn modules(&self) -> &[RunningModule] {
        self.modules.get().map_or(&[], Vec::as_slice)
    }

    /// Lets the modules look again at what other programs may have changed.
    pub(super) fn refresh_modules(&self) {
        self.modules().iter().for_each(RunningModule::refresh);
    }

    /// Lets the modules finish what they began, and ends them.
    pub(super) fn stop_modules(&self) {
        self.modules().iter().for_each(RunningModule::drain);
        self.modules().iter().rev().for_each(RunningModule::stop);
    }

    /// Takes in one batch of messages: requests are answered through `outbox`, outcomes go to the modules in one call each.
    pub(crate) fn on_batch<'m>(
        &self,
        batch: impl Iterator<Item = (Peer, &'m [u8])>,
        tables: &'m mut [HeaderTable],
        outbox: &mut Outbox,
    ) {
        let mut arrived = Vec::new();
        for ((peer, bytes), table) in batch.zip(tables) {
            match scan(bytes, table) {
                Ok(message) if message.is_request() => self.on_request(message, peer, outbox),
                Ok(message) => arrived.extend(self.on_response(message)),
                Err(ScanError::KeepAlive | ScanError::NotSip) => {}
            }
        }
        outbox.flush();
        if !arrived.is_empty() {
            self.wire.send_released(WhenFull::Drop);
        }
        self.tell_arrived(&arrived);
    }

    /// Refuses a message that nobody has time for. A copy of a request that is under way, or was answered, is not refused: it
    /// would have two answers.
    pub(crate) fn refuse(&self, peer: Peer, bytes: &[u8], table: &mut HeaderTable, outbox: &mut Outbox) {
        let Ok(request) = scan(bytes, table) else { return };
        let is_refusable = request.is_request() && request.is_answerable();
        if !is_refusable || request.method() == Method::ACK || request.method() == Method::CANCEL {
            return;
        }
        let Ok(via) = examine(&request, &self.wire.limits) else { return };
        if self.wire.table.on_copy(&request, &via).is_none() {
            let head = ResponseHead { code: 503, headers: b"Retry-After: 2\r\n", ..ResponseHead::default() };
            self.wire.answer(&request, Some(&via), peer, head, outbox);
        }
    }

    fn on_response<'m>(&self, message: Message<'m>) -> Option<Arrived<'m>> {
        let via = message.header(HeaderId::VIA).and_then(|value| Via::parse_first(value).ok())?;
        // Another's sent-by: the response is not to a request of ours (RFC 3261 §18.1.2).
        if !self.wire.network.is_sent_by(&via) {
            return None;
        }
        match self.wire.table.on_response(&message, &via, self.wire.now()) {
            Answered::Final(outcome) => Some(Arrived { outcome, message }),
            Answered::Absorbed | Answered::Stray => None,
        }
    }

    fn tell_arrived<'m>(&self, arrived: &[Arrived<'m>]) {
        fn view<'m>(one: &Arrived<'m>) -> Option<(u64, OutcomeView<'m>)> {
            let [module, a, b, c] = one.outcome.token;
            Some((module, OutcomeView::of_response([a, b, c], &one.message)?))
        }
        self.tell(arrived.iter().filter_map(view).collect());
    }

    /// Tells the modules what became of requests that nobody answered.
    pub(crate) fn tell_local(&self, outcomes: &[Outcome]) {
        let view = |outcome: &Outcome| {
            let [module, a, b, c] = outcome.token;
            (module, OutcomeView::local([a, b, c], outcome.code))
        };
        self.tell(outcomes.iter().map(view).collect());
    }

    fn tell(&self, views: Vec<(u64, OutcomeView<'_>)>) {
        if views.is_empty() {
            return;
        }
        for (number, module) in self.modules().iter().enumerate() {
            let own: Vec<_> = views.iter().filter(|(of, _)| *of == number as u64).map(|(_, view)| *view).collect();
            if !own.is_empty() {
                module.on_outcomes(&own);
            }
        }
    }

    fn on_request(&self, message: Message<'_>, peer: Peer, outbox: &mut Outbox) {
        // Nothing is ever sent in answer to an ACK (RFC 3261 §17.2.3).
        if message.method() == Method::ACK || !message.is_answerable() {
            return;
        }
        let via = match examine(&message, &self.wire.limits) {
            Ok(via) => via,
            Err(Refusal { code, reason, .. }) => {
                self.wire.count_excess(code);
                let via = message.header(HeaderId::VIA).and_then(|value| Via::parse_first(value).ok());
                let head = ResponseHead { code, reason: reason.as_bytes(), ..ResponseHead::default() };
                return self.wire.answer(&message, via.as_ref(), peer, head, outbox);
            }
        };
        let is_invite = message.method() == Method::INVITE;
        match self.wire.table.on_copy(&message, &via).filter(|_| !is_invite) {
            Some(Matched::Repeat(answer)) => {
                return self.wire.answer_again(&message, &via, peer, &answer, outbox);
            }
            Some(_) => return,
            None => {}
        }
        if message.method() == Method::CANCEL {
            return self.on_cancel(&message, &via, peer, outbox);
        }
        self.run(message, via, peer, outbox);
    }

    /// Answers a CANCEL; what it is about goes on (RFC 3261 §9.2, RFC 6665 §4.6).
    fn on_cancel(&self, cancel: &Message<'_>, via: &Via<'_>, peer: Peer, outbox: &mut Outbox) {
        let cancelled = self.wire.table.matches_cancel(cancel, via);
        let code = if cancelled.is_some() { 200 } else { 481 };
        let answer = cancelled.and_then(|cancelled| cancelled.answer);
        let to_tag = answer.as_ref().map(Answer::to_tag).unwrap_or_default();
        self.wire.answer(cancel, Some(via), peer, ResponseHead { code, to_tag, ..ResponseHead::default() }, outbox);
    }

    /// Runs the script, and answers what it leaves unanswered.
    fn run(&self, message: Message<'_>, via: Via<'_>, peer: Peer, outbox: &mut Outbox) {
        let request = Request::new(&self.wire, message, via, peer, outbox);
        let mut context = RequestContext { proxy: self, request };
        if self.wire.is_draining.load(Ordering::Relaxed) {
            context.request.reply(503, b"", b"Retry-After: 2\r\n");
            return;
        }
        match self.program.run(MainRoute::Request, &mut context) {
            ScriptOutcome::Ended { .. } => context.answer_by_default(),
            ScriptOutcome::Dropped => {}
            ScriptOutcome::Failed(failure) => {
                tracing::error!("{failure}; the request is answered 500");
                context.request.reply(500, b"", b"");
            }
        }
    }
}

impl StreamHandler for Proxy {
    fn on_message(&self, peer: Peer, message: &[u8]) {
        let mut outbox = Outbox::new(Arc::clone(&self.wire.network), WhenFull::Drop);
        self.on_batch([(peer, message)].into_iter(), &mut [HeaderTable::new()], &mut outbox);
    }

    fn has_room(&self, peer: Peer) -> bool {
        self.wire.table.in_service().has_room(&peer.remote)
    }

    fn on_broken(&self, peer: Peer, broken: Broken, head: &[u8]) -> Option<Vec<u8>> {
        let mut table = HeaderTable::new();
        let message = scan(head, &mut table).ok().filter(|message| message.is_request() && message.is_answerable())?;
        if message.method() == Method::ACK {
            return None;
        }
        let via = message.header(HeaderId::VIA).and_then(|value| Via::parse_first(value).ok());
        let (tag, mut out) = (self.wire.to_tags.mint(&message), Vec::new());
        let (code, reason) = (broken.code(), broken.reason().as_bytes());
        self.wire.count_excess(code);
        let head = ResponseHead { code, reason, to_tag: &tag, ..ResponseHead::default() };
        // It goes on the connection that broke, while that is there.
        write_answer(&mut out, &message, via.as_ref(), peer, &head);
        Some(out)
    }
}
