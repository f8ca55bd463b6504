//! A sequence of messages, of answers to NOTIFYs and of time into the presence server, behind a host that scans and keeps
//! transactions as the real one does. Every request has one answer; every NOTIFY is sound, valid to its watcher, and the next in
//! its dialog.

use std::collections::HashMap;
use std::time::Duration;

use module_api::abi::{
    Argument, Arrival, Host, Module, Outcome, OutcomeView, Request, RequestView, SocketAddress, Transport,
};
use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, Message, StartLine, scan};
use module_api::sip::method::Method;
use presence::composition::Policy as Composition;
use presence::edge::core::{AcceptedWith, Settings};
use presence::edge::identity::IdentitySource;
use presence::edge::presence::Presence;
use presence::limits::Limits;
use presence::policy::Policy;
use presence::publication::PublishPolicy;
use presence::subscription::SubscribePolicy;

use super::fake_host::{FakeHost, Notify};
use super::memory_store::MemoryStore;
use super::parts;
use crate::pidf::{CONTENT_TYPE, Presence as Document};
use crate::xml::Element;

/// One input may take so many steps.
const STEPS_MAX: usize = 24;

/// The first part is everybody's rules; each of the others is a step: a request as it stands, a response to the oldest NOTIFY that
/// waits for one, or `+` and how many seconds pass. `{etag}` and `{tag}` stand for what the server gave last.
pub(super) fn target(data: &[u8]) {
    let mut parts = parts(data);
    let server = Server::start(parts.next().unwrap_or_default());
    let mut unanswered = 0;
    for step in parts.take(STEPS_MAX) {
        match step {
            [b'+', seconds @ ..] => server.pass(seconds),
            _ => server.message(&server.filled_in(step), &mut unanswered),
        }
    }
    server.stop();
    server.check_notifies();
}

/// The module under a fake host.
pub(super) struct Server {
    host: FakeHost,
    presence: Presence,
}

impl Server {
    pub(super) fn start(rules: &[u8]) -> Self {
        let host = FakeHost::new();
        let (services, store) = (Host::new(host.clone(), "presence"), MemoryStore::with_rules(rules));
        let settings = settings(rules.is_empty());
        let presence = Presence::serve(services, settings, Box::new(store), &MemoryStore::opening());
        Self { host, presence: presence.expect("the memory store opens") }
    }

    pub(super) fn call(&self, function: usize, request: &Request<'_>) {
        let _ = self.presence.call(function, request, &[Argument::text(b"sip:dana@pres.example")]);
    }

    /// Waits for everything that is under way, and lets nothing more happen.
    pub(super) fn stop(&self) {
        self.presence.stop();
        self.host.check_errors();
    }

    fn pass(&self, seconds: &[u8]) {
        let seconds = std::str::from_utf8(seconds).ok().and_then(|seconds| seconds.trim().parse::<u32>().ok());
        self.host.advance(Duration::from_secs(seconds.unwrap_or(1).into()));
    }

    /// Puts what the server gave last where a step asks for it.
    fn filled_in(&self, step: &[u8]) -> Vec<u8> {
        let (to_tag, etag) = self.host.with(|seen| (seen.to_tag.clone(), seen.etag.clone()));
        replaced(&replaced(step, b"{etag}", &etag), b"{tag}", &to_tag)
    }

    fn message(&self, raw: &[u8], unanswered: &mut usize) {
        let mut table = HeaderTable::new();
        let Ok(message) = scan(raw, &mut table) else { return };
        match message.start() {
            StartLine::Request { .. } if message.defect().is_none() => self.request(&message),
            StartLine::Request { .. } => {}
            StartLine::Response { code, .. } if code >= 200 => self.response(&message, unanswered),
            StartLine::Response { .. } => {}
        }
    }

    fn request(&self, message: &Message<'_>) {
        let function = match message.method() {
            Method::PUBLISH => 0,
            Method::SUBSCRIBE => 1,
            _ => return,
        };
        let Some(transaction) = self.host.begin(message) else { return };
        let address = |host| SocketAddress::from(std::net::SocketAddr::from(([192, 0, 2, host], 5060)));
        let arrival = Arrival {
            request_uri: message.request_uri(),
            transaction,
            flow: 0,
            transport: Transport::UDP,
            source: address(1),
            local: address(99),
            identity: b"",
            to_tag: b"",
        };
        let view = RequestView::new(message, &arrival).expect("it is a request");
        let result = self.presence.call(function, &Request::new(&view), &[]);
        assert!(matches!(result.code, 0 | 1), "{}", result.code);
        let code = self.host.wait_for_reply(transaction);
        assert!((200..700).contains(&code) && code != 500, "{code} to {}", message.raw().escape_ascii());
    }

    fn response(&self, message: &Message<'_>, unanswered: &mut usize) {
        let notify = self.host.with(|seen| seen.notifies.get(*unanswered).cloned());
        let Some(Notify { token, .. }) = notify else { return };
        *unanswered += 1;
        let view = OutcomeView::of_response(token, message).expect("it is a response");
        self.presence.on_outcomes(&mut [Outcome::new(&view)].into_iter());
    }

    fn check_notifies(&self) {
        let notifies = self.host.with(|seen| std::mem::take(&mut seen.notifies));
        let mut last = HashMap::new();
        for Notify { message: raw, epoch, .. } in &notifies {
            let text = String::from_utf8_lossy(raw);
            let mut table = HeaderTable::new();
            let message = scan(raw, &mut table).expect("a NOTIFY is SIP");
            assert_eq!((message.method(), message.defect()), (Method::NOTIFY, None), "{text}");
            let header = |id| message.header(id).unwrap_or_else(|| panic!("no {id:?} in {text}")).to_vec();
            let dialog = [HeaderId::CALL_ID, HeaderId::FROM, HeaderId::TO].map(header);
            let cseq = message.cseq().expect("a sound message has one").number;
            // Whoever repeats a SUBSCRIBE to the letter, long after its subscription has ended, gets the same dialog once more.
            let before = last.insert((dialog, *epoch), cseq);
            assert!(before.is_none_or(|before| before < cseq), "CSeq {cseq} behind {before:?}: {text}");
            let _ = (header(HeaderId::EVENT), header(HeaderId::SUBSCRIPTION_STATE), header(HeaderId::CONTACT));
            match message.header(HeaderId::CONTENT_TYPE) {
                None => assert!(message.body().is_empty(), "{text}"),
                Some(media_type) if media_type == CONTENT_TYPE.as_bytes() => {
                    Document::read(message.body()).unwrap_or_else(|error| panic!("{error}: {text}"));
                }
                Some(_) => {
                    Element::read(message.body()).unwrap_or_else(|error| panic!("{error}: {text}"));
                }
            }
        }
    }
}

/// Without rules everybody is let in.
fn settings(force_active: bool) -> Settings {
    Settings {
        policy: Policy {
            publish: PublishPolicy { max_expires_s: 3600, min_expires_s: 0, expires_offset_s: 0 },
            subscribe: SubscribePolicy { max_expires_s: 3600, min_expires_s: 0, cseq_offset: 0, one_per_device: false },
            composition: Composition::Union,
            force_active,
            notify_interval_ms: 0,
            waiting_time_s: 259_200,
            silence_ends: true,
            limits: Limits::default(),
        },
        shards: 2,
        queue_places: 100,
        to_tag_prefix: "a".into(),
        clean_period: None,
        rules_poll_period: None,
        rules_doc_types: vec![1, 2],
        recovery_notify_rate: 1000,
        follows_source: true,
        identity: IdentitySource::From,
        domains: Vec::new(),
        server_address: Default::default(),
        contact_user: Default::default(),
        presentity_in_to: false,
        accepted: AcceptedWith::Code200,
        documents: Default::default(),
        unanswered_max: 1000,
        ceilings: Default::default(),
    }
}

fn replaced(text: &[u8], mark: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + value.len());
    let mut rest = text;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}
