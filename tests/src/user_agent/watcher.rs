//! A subscriber (RFC 6665 §4.1): one dialog about one presentity, every NOTIFY judged by `notify_rules.rs`.
//!
//! One dialog holds one subscription, or several, each to an Event of its own (RFC 6665 §4.5.2). NOTIFYs are answered 200 in the background; a test that wants another answer, or none, says so beforehand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::endpoint::{DEADLINE, Endpoint, RequestHandler, unique};
use super::notification::Notification;
use super::notify_rules::NotifyRules;
use super::usage::content_type_of;
use super::{Rule, Violation};
use crate::message::{Message, uri_of};
use crate::server::{Server, Transport};

/// A watcher with one dialog.
pub struct Watcher {
    /// Its socket, for what the methods below do not cover.
    pub endpoint: Endpoint,
    subscriber: Arc<Subscriber>,
    presentity: String,
    identity: String,
    contact: String,
    event: String,
    cseq: u32,
    next: usize,
    shortest_request_s: u32,
    patience: Duration,
}

struct Subscriber {
    call_id: String,
    tag: String,
    dialog: Mutex<Dialog>,
    changed: Condvar,
}

struct Dialog {
    rules: NotifyRules,
    /// What the test may see: a NOTIFY that is answered at once is seen when its answer has left.
    notifications: Vec<Notification>,
    answering: Vec<Notification>,
    remote_target: Option<String>,
    manner: Manner,
    once: VecDeque<(u16, Vec<(String, String)>)>,
    held: Vec<Message>,
    new_contact: Option<String>,
}

/// How NOTIFYs are answered.
enum Manner {
    At200,
    Hold,
    Silence,
}

impl Watcher {
    /// Watches `presentity` over UDP as `identity`.
    pub fn udp(server: SocketAddr, presentity: &str, identity: &str) -> Self {
        Self::on(|handler| Endpoint::udp_with(server, handler), presentity, identity)
    }

    /// Watches `presentity` over TCP as `identity`.
    pub fn tcp(server: SocketAddr, presentity: &str, identity: &str) -> Self {
        Self::on(|handler| Endpoint::tcp_with(server, handler), presentity, identity)
    }

    /// Watches `presentity` over `transport` as `identity`.
    pub fn over(transport: Transport, server: &Server, presentity: &str, identity: &str) -> Self {
        match transport {
            Transport::Tcp => Self::tcp(server.tcp_address(), presentity, identity),
            Transport::Udp => Self::udp(server.udp_address(), presentity, identity),
        }
    }

    fn on(open: impl FnOnce(Arc<Subscriber>) -> Endpoint, presentity: &str, identity: &str) -> Self {
        let event = "presence".to_owned();
        let subscriber = Arc::new(Subscriber::new());
        let endpoint = open(Arc::clone(&subscriber));
        let contact = endpoint.contact("watcher");
        let (presentity, identity) = (presentity.to_owned(), identity.to_owned());
        Self {
            endpoint,
            subscriber,
            presentity,
            identity,
            contact,
            event,
            cseq: 0,
            next: 0,
            shortest_request_s: 3600,
            patience: DEADLINE,
        }
    }

    /// Subscribes with another Event value, `presence;id=7` for one.
    #[must_use]
    pub fn with_event(mut self, event: &str) -> Self {
        self.event = event.to_owned();
        self
    }

    /// Waits longer for NOTIFYs than tests usually do.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Names another Contact from the next SUBSCRIBE on.
    pub fn move_to(&mut self, contact: &str) {
        self.contact = contact.to_owned();
    }

    /// Subscribes for `expires_s`, or prolongs the subscription to that.
    pub fn subscribe(&mut self, expires_s: u32) -> Message {
        let request = self.next_request(expires_s);
        self.request(request)
    }

    /// Subscribes to another Event in the same dialog, or prolongs that subscription.
    pub fn subscribe_to(&mut self, event: &str, expires_s: u32) -> Message {
        let request = self.next_request_for(event, expires_s);
        self.request(request)
    }

    /// Prolongs the subscription and returns the NOTIFY of that: of all NOTIFYs that were not looked at, the only one.
    ///
    /// A refresh that asks for less than any before is told by its NOTIFY; one that the server owed would come first.
    ///
    /// # Panics
    /// If the server tells anything else.
    pub fn refresh_in_silence(&mut self) -> Notification {
        let expires_s = self.shortest_request_s - 60;
        let seen = self.next;
        assert_eq!(self.subscribe(expires_s).code(), Some(200), "{}", self.endpoint.ladder());
        let event = self.event.clone();
        let is_it = |notification: &Notification| {
            let is_of_event = notification.message.get("Event") == Some(event.as_str());
            is_of_event && notification.state().expires_s.is_some_and(|left| left <= expires_s)
        };
        let notification = self.notification_where("the time left of the refresh", is_it);
        assert_eq!(self.next, seen + 1, "told something without cause\n{}", self.endpoint.ladder());
        notification
    }

    /// Ends the subscription.
    pub fn unsubscribe(&mut self) -> Message {
        self.subscribe(0)
    }

    /// Asks once, without subscribing, and returns the one NOTIFY.
    pub fn fetch(&mut self) -> Notification {
        let response = self.subscribe(0);
        assert_eq!(response.code(), Some(200), "{}", self.endpoint.ladder());
        self.next_notification()
    }

    /// Builds the next SUBSCRIBE of the dialog, without Via, for a test to change.
    pub fn next_request(&mut self, expires_s: u32) -> Message {
        let event = self.event.clone();
        self.next_request_for(&event, expires_s)
    }

    /// Builds the next SUBSCRIBE of the dialog, to another Event than the first.
    pub fn next_request_for(&mut self, event: &str, expires_s: u32) -> Message {
        self.cseq += 1;
        let dialog = self.subscriber.dialog.lock();
        let target = dialog.remote_target.as_deref().unwrap_or(&self.presentity);
        let to = match dialog.rules.remote_tag() {
            Some(tag) => format!("<{}>;tag={tag}", self.presentity),
            None => format!("<{}>", self.presentity),
        };
        Message::request("SUBSCRIBE", target)
            .with("From", format!("<{}>;tag={}", self.identity, self.subscriber.tag))
            .with("To", to)
            .with("Call-ID", &self.subscriber.call_id)
            .with("CSeq", format!("{} SUBSCRIBE", self.cseq))
            .with("Contact", &self.contact)
            .with("Event", event)
            .with("Accept", content_type_of(event))
            .with("Expires", expires_s)
    }

    /// Sends a SUBSCRIBE and returns its final response.
    pub fn request(&mut self, request: Message) -> Message {
        let request = self.send(request);
        self.answer_to(&request)
    }

    /// Sends a SUBSCRIBE once and returns it as sent.
    pub fn send(&mut self, request: Message) -> Message {
        let expires_s = request.get("Expires").and_then(|value| value.parse().ok()).unwrap_or(3600);
        if expires_s > 0 {
            self.shortest_request_s = self.shortest_request_s.min(expires_s);
        }
        self.subscriber.dialog.lock().rules.on_subscribe(request.get("Event").unwrap_or_default(), expires_s);
        self.endpoint.send(request)
    }

    /// Waits for the answer to a SUBSCRIBE that was sent; 202 counts as 200 (RFC 6665 §8.3.1).
    pub fn answer_to(&mut self, request: &Message) -> Message {
        let response = self.endpoint.final_response(request);
        let mut dialog = self.subscriber.dialog.lock();
        let broken = match response.code() {
            Some(200 | 202) => {
                dialog.remote_target = response.uri_of("Contact").or(dialog.remote_target.take());
                dialog.rules.on_accepted(&response)
            }
            _ => {
                dialog.rules.on_refused(request.get("Event").unwrap_or_default());
                Vec::new()
            }
        };
        drop(dialog);
        self.endpoint.hold_against(broken);
        response
    }

    /// Waits for the next NOTIFY that was not looked at yet.
    ///
    /// # Panics
    /// If none comes; the panic shows every message of this watcher.
    pub fn next_notification(&mut self) -> Notification {
        let give_up = Instant::now() + self.patience;
        let mut dialog = self.subscriber.dialog.lock();
        loop {
            if let Some(notification) = dialog.notifications.get(self.next) {
                self.next += 1;
                return notification.clone();
            }
            let in_time = !self.subscriber.changed.wait_until(&mut dialog, give_up).timed_out();
            assert!(in_time, "NOTIFY number {} does not come\n{}", self.next + 1, self.endpoint.ladder());
        }
    }

    /// Waits for a NOTIFY of which `is_it` holds, passing over those before it.
    ///
    /// # Panics
    /// If none comes; the panic names `what` was waited for.
    pub fn notification_where(&mut self, what: &str, is_it: impl Fn(&Notification) -> bool) -> Notification {
        let give_up = Instant::now() + self.patience;
        let mut dialog = self.subscriber.dialog.lock();
        loop {
            while let Some(notification) = dialog.notifications.get(self.next) {
                self.next += 1;
                if is_it(notification) {
                    return notification.clone();
                }
            }
            let in_time = !self.subscriber.changed.wait_until(&mut dialog, give_up).timed_out();
            assert!(in_time, "no NOTIFY with {what}\n{}", self.endpoint.ladder());
        }
    }

    /// Returns how many NOTIFYs have come, retransmissions apart.
    pub fn notification_count(&self) -> usize {
        let dialog = self.subscriber.dialog.lock();
        dialog.notifications.len() + dialog.answering.len()
    }

    /// Answers the next NOTIFY with `code`; several calls queue up.
    pub fn answer_next_with(&self, code: u16) {
        self.answer_next_with_headers(code, &[]);
    }

    /// Answers the next NOTIFY with `code` and further headers; several calls queue up.
    pub fn answer_next_with_headers(&self, code: u16, headers: &[(&str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        self.subscriber.dialog.lock().once.push_back((code, headers));
    }

    /// Leaves NOTIFYs unanswered until [`Watcher::release`].
    pub fn hold_answers(&self) {
        self.subscriber.dialog.lock().manner = Manner::Hold;
    }

    /// Leaves NOTIFYs unanswered for good.
    pub fn stay_silent(&self) {
        self.subscriber.dialog.lock().manner = Manner::Silence;
    }

    /// Answers again from here on, and takes the NOTIFY in flight for lost: timer F has fired for it.
    pub fn speak_again(&self) {
        let mut dialog = self.subscriber.dialog.lock();
        dialog.manner = Manner::At200;
        dialog.rules.on_lost();
    }

    /// Gives the answers held back, and answers at once from here on.
    pub fn release(&self) {
        let mut dialog = self.subscriber.dialog.lock();
        dialog.manner = Manner::At200;
        let held = std::mem::take(&mut dialog.held);
        let answers: Vec<_> = held.iter().map(|notify| dialog.answer(notify)).collect();
        drop(dialog);
        for (notify, answer) in held.iter().zip(&answers) {
            self.endpoint.answer(notify, answer);
        }
    }

    /// Names a new Contact in the answer to the next NOTIFY, and from then on (RFC 3261 §12.2.1.2).
    pub fn move_in_answers(&self, contact: &str) {
        self.subscriber.dialog.lock().new_contact = Some(contact.to_owned());
    }

    /// Lets the next NOTIFY leave a gap in CSeq, and its document one in its version: the server was killed.
    pub fn allow_jump_once(&self) {
        self.subscriber.dialog.lock().rules.allow_jump_once();
    }

    /// Goes on in the dialog with a server that took it over; what the former one broke is forgotten.
    pub fn change_servers(&self) {
        self.subscriber.dialog.lock().rules.change_servers();
        self.endpoint.take_violations();
    }

    /// Fails the test if the server broke a promise.
    ///
    /// # Panics
    /// If it did; the panic shows what, and every message of this watcher.
    pub fn finish(self) {
        self.endpoint.finish();
    }
}

impl Subscriber {
    fn new() -> Self {
        let (call_id, tag) = (unique(), unique());
        let dialog = Dialog {
            rules: NotifyRules::new(&call_id, &tag),
            notifications: Vec::new(),
            answering: Vec::new(),
            remote_target: None,
            manner: Manner::At200,
            once: VecDeque::new(),
            held: Vec::new(),
            new_contact: None,
        };
        Self { call_id, tag, dialog: Mutex::new(dialog), changed: Condvar::new() }
    }
}

impl RequestHandler for Subscriber {
    fn on_request(&self, request: &Message, complain: &dyn Fn(Vec<Violation>)) -> Option<Message> {
        if request.method() != Some("NOTIFY") {
            complain(vec![Violation::new(Rule::Stray, format!("nobody asked for\n{request}"))]);
            return Some(Message::response_to(request, 405).with("Allow", "NOTIFY"));
        }
        let mut dialog = self.dialog.lock();
        let broken = dialog.rules.on_notify(request);
        let is_ours = !broken.iter().any(|violation| matches!(violation.rule, Rule::CallId | Rule::ToTag));
        complain(broken);
        if !is_ours {
            return Some(Message::response_to(request, 481));
        }
        dialog.remote_target = request.get("Contact").map(uri_of).or(dialog.remote_target.take());
        let answer = dialog.react(request);
        let watchers = dialog.rules.watchers(request.get("Event").unwrap_or_default());
        let notification = Notification::of(request, watchers);
        match answer {
            Some(_) => dialog.answering.push(notification),
            None => dialog.notifications.push(notification),
        }
        self.changed.notify_all();
        answer
    }

    fn on_answered(&self, request: &Message, code: u16) {
        if let Some((cseq, _)) = request.cseq() {
            self.dialog.lock().rules.on_answered(cseq, code);
        }
    }

    fn on_sent(&self, request: &Message) {
        let mut dialog = self.dialog.lock();
        let sent = dialog.answering.iter().position(|answering| answering.message == *request);
        if let Some(sent) = sent {
            let notification = dialog.answering.remove(sent);
            dialog.notifications.push(notification);
            self.changed.notify_all();
        }
    }
}

impl Dialog {
    fn react(&mut self, notify: &Message) -> Option<Message> {
        match self.manner {
            Manner::At200 => Some(self.answer(notify)),
            Manner::Silence => None,
            Manner::Hold => {
                self.held.push(notify.clone());
                None
            }
        }
    }

    fn answer(&mut self, notify: &Message) -> Message {
        let (code, headers) = self.once.pop_front().unwrap_or((200, Vec::new()));
        let answer = Message::response_to(notify, code);
        let contact = self.new_contact.iter().map(|contact| ("Contact".to_owned(), contact.clone()));
        headers.into_iter().chain(contact).fold(answer, |answer, (name, value)| answer.with(&name, value))
    }
}
