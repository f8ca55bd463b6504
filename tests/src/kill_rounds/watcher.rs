//! A watcher, and what it knows of its dialogs: which are live, which are over, and what was told last in each.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::lifetime::Lifetime;
use super::port::Port;
use crate::chance::Chance;
use crate::message::Message;
use crate::pidf::{self, Presence};
use crate::user_agent::{NotifyRules, SubscriptionState, unique};

/// A subscriber with at most one live dialog.
pub(super) struct Watcher {
    pub(super) port: Port,
    pub(super) name: String,
    presentity: String,
    /// Whether it goes on subscribing; others are content with what they are told.
    is_restless: bool,
    dialog: Option<Dialog>,
    /// Dialogs that are over, the latest last.
    former: VecDeque<Dialog>,
    asked: Option<Asked>,
    /// Whether the request under way was under way when the server died.
    is_repeated: bool,
}

/// A dialog as its subscriber knows it.
struct Dialog {
    call_id: String,
    tag: String,
    cseq: u32,
    rules: NotifyRules,
    remote_target: Option<String>,
    /// Until when it was granted; `None` before anything was, and once it was given up.
    life: Option<Lifetime>,
    /// The notes of the document told last, since the last SUBSCRIBE and the last start of the server.
    told: Option<Vec<String>>,
    /// Its last NOTIFY has come.
    is_terminated: bool,
    /// Nothing may come in it any more: it was over when the server died.
    is_closed: bool,
}

/// What the request under way asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Begin,
    Fetch,
    Refresh {
        may_end: Instant,
    },
    End,
    /// Nothing: the dialog, the `nth` from the last, is over.
    Refusal,
}

/// Dialogs that are over and not forgotten.
const FORMER_MAX: usize = 8;
/// Of these, how many are tried after each restart.
const FORMER_TRIED: usize = 2;

impl Watcher {
    pub(super) fn new(server: SocketAddr, name: &str, presentity: &str, is_restless: bool) -> Self {
        let (port, name, presentity) = (Port::open(server), name.to_owned(), presentity.to_owned());
        let former = VecDeque::new();
        Self { port, name, presentity, is_restless, dialog: None, former, asked: None, is_repeated: false }
    }

    /// Does the next thing that comes to its mind; returns `false` if that is nothing.
    pub(super) fn go_on(&mut self, chance: &mut Chance) -> bool {
        match &self.dialog {
            Some(dialog) if dialog.is_terminated => self.retire(),
            // The end is still to be told.
            Some(dialog) if dialog.life.is_none() => return false,
            Some(_) if !self.is_restless => return false,
            Some(_) => {
                let (expires_s, may_end) = lifetime(chance);
                match chance.is(30) {
                    true => self.ask(Asked::End, 0),
                    false => self.ask(Asked::Refresh { may_end }, expires_s),
                }
                return true;
            }
            None => {}
        }
        self.dialog = Some(Dialog::new());
        match self.is_restless && chance.is(20) {
            true => self.ask(Asked::Fetch, 0),
            false => self.ask(Asked::Begin, lifetime(chance).0),
        }
        true
    }

    /// Asks whether the live dialog is there still.
    pub(super) fn probe(&mut self) {
        let is_live = self.dialog.as_ref().is_some_and(|dialog| dialog.life.is_some() && !dialog.is_terminated);
        if is_live {
            self.ask(Asked::Refresh { may_end: Lifetime::earliest_end(Instant::now(), 3600) }, 3600);
        }
    }

    /// Tries a dialog that is over, the `nth` from the last; returns `false` if there is none left to try.
    pub(super) fn probe_former(&mut self, nth: usize) -> bool {
        if self.dialog.as_ref().is_some_and(|dialog| dialog.is_terminated) {
            self.retire();
        }
        let begun = self.former.iter_mut().rev().filter(|dialog| dialog.rules.remote_tag().is_some());
        let Some(dialog) = begun.take(FORMER_TRIED).nth(nth) else { return false };
        let request = dialog.subscribe(&self.name, &self.presentity, &self.port.contact(), 600);
        (self.asked, self.is_repeated) = (Some(Asked::Refusal), false);
        self.port.send(request);
        true
    }

    fn ask(&mut self, asked: Asked, expires_s: u32) {
        let contact = self.port.contact();
        let dialog = self.dialog.get_or_insert_with(Dialog::new);
        let request = dialog.subscribe(&self.name, &self.presentity, &contact, expires_s);
        dialog.rules.on_subscribe(EVENT, expires_s);
        (self.asked, self.is_repeated) = (Some(asked), false);
        self.port.send(request);
    }

    fn retire(&mut self) {
        self.former.extend(self.dialog.take());
        if self.former.len() > FORMER_MAX {
            self.former.pop_front();
        }
    }

    /// Learns that the server died.
    pub(super) fn on_kill(&mut self) {
        self.is_repeated = self.port.is_busy();
        let is_pending = self.asked.is_some();
        // What was given up, and the end of it acknowledged, is not told any more.
        if !is_pending && self.dialog.as_ref().is_some_and(|dialog| dialog.life.is_none() || dialog.is_terminated) {
            self.retire();
        }
        self.former.iter_mut().for_each(|dialog| dialog.is_closed = true);
        for dialog in self.dialog.iter_mut().chain(&mut self.former) {
            dialog.rules.allow_jump_once();
            dialog.told = None;
        }
    }

    /// Takes in an answer.
    ///
    /// # Errors
    /// It is not what the ledger says it must be.
    pub(super) fn on_answer(&mut self, answer: &Message, sent: Instant) -> Result<(), String> {
        let (asked, now) = (self.asked.take().ok_or("nothing was asked for")?, Instant::now());
        let refused = |what: &str| Err(format!("{what}:\n{answer}"));
        if asked == Asked::Refusal {
            return if answer.code() == Some(481) { Ok(()) } else { refused("a dialog that is over is alive again") };
        }
        let dialog = self.dialog.as_mut().ok_or("no dialog")?;
        let may_be_over = dialog.is_terminated || dialog.life.is_some_and(|life| life.may_be_over(now));
        match (answer.code(), asked) {
            (Some(200), _) => {
                if let Some(broken) = dialog.rules.on_accepted(answer).first() {
                    return Err(broken.to_string());
                }
                dialog.remote_target = answer.uri_of("Contact").or(dialog.remote_target.take());
                let granted_s = answer.get("Expires").and_then(|value| value.parse().ok()).ok_or("no Expires")?;
                dialog.life = (granted_s > 0).then(|| Lifetime::granted(sent, now, granted_s));
                // A repeated request is told of by what the start owes.
                if !self.is_repeated {
                    dialog.told = None;
                }
                Ok(())
            }
            (Some(481), Asked::End) if may_be_over || self.is_repeated => self.on_gone(),
            (Some(481), Asked::Refresh { may_end }) if may_be_over || (self.is_repeated && now >= may_end) => {
                self.on_gone()
            }
            (_, Asked::Begin | Asked::Fetch) => refused("not the answer to one who may watch"),
            _ => refused("not the answer to one who watches"),
        }
    }

    fn on_gone(&mut self) -> Result<(), String> {
        if let Some(dialog) = &mut self.dialog {
            (dialog.life, dialog.is_terminated) = (None, true);
        }
        Ok(())
    }

    /// Takes in a NOTIFY and answers it.
    ///
    /// # Errors
    /// It breaks a promise, or tells of what is not.
    pub(super) fn on_request(&mut self, request: &Message) -> Result<(), String> {
        let call_id = request.get("Call-ID").unwrap_or_default();
        let mut dialogs = self.dialog.iter_mut().chain(&mut self.former);
        let Some(dialog) = dialogs.find(|dialog| dialog.call_id == call_id) else {
            return Err(format!("nobody asked for\n{request}"));
        };
        dialog.on_notify(request, self.asked, Instant::now())?;
        self.port.answer(request, 200);
        let cseq = request.cseq().map_or(0, |(cseq, _)| cseq);
        dialog.rules.on_answered(cseq, 200);
        Ok(())
    }

    /// Returns what keeps the watcher from knowing what is published, if it has a claim to know it. `is_possible` judges
    /// the notes of a document.
    pub(super) fn complaint(&self, now: Instant, is_possible: impl Fn(&[String]) -> bool) -> Option<String> {
        let dialog = self.dialog.as_ref()?;
        let has_claim = dialog.life.is_some_and(|life| !life.may_be_over(now));
        if !has_claim || dialog.is_terminated || self.asked == Some(Asked::End) {
            return None;
        }
        match &dialog.told {
            None => Some("was told nothing".into()),
            Some(notes) if !is_possible(notes) => Some(format!("was told {notes:?} last")),
            Some(_) => None,
        }
    }

    /// Returns whom it watches.
    pub(super) fn presentity(&self) -> &str {
        &self.presentity
    }
}

impl Dialog {
    fn new() -> Self {
        let (call_id, tag) = (unique(), unique());
        let rules = NotifyRules::new(&call_id, &tag);
        let (remote_target, life, told) = (None, None, None);
        Self { call_id, tag, cseq: 0, rules, remote_target, life, told, is_terminated: false, is_closed: false }
    }

    fn subscribe(&mut self, name: &str, presentity: &str, contact: &str, expires_s: u32) -> Message {
        self.cseq += 1;
        let to = match self.rules.remote_tag().filter(|_| self.cseq > 1) {
            Some(tag) => format!("<{presentity}>;tag={tag}"),
            None => format!("<{presentity}>"),
        };
        Message::request("SUBSCRIBE", self.remote_target.as_deref().unwrap_or(presentity))
            .with("From", format!("<sip:{name}@watch.example>;tag={}", self.tag))
            .with("To", to)
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{} SUBSCRIBE", self.cseq))
            .with("Contact", contact)
            .with("Event", EVENT)
            .with("Accept", pidf::CONTENT_TYPE)
            .with("Expires", expires_s)
    }

    fn on_notify(&mut self, notify: &Message, asked: Option<Asked>, now: Instant) -> Result<(), String> {
        if self.is_closed {
            return Err(format!("a dialog that was over before the kill goes on:\n{notify}"));
        }
        if let Some(broken) = self.rules.on_notify(notify).first() {
            return Err(format!("{broken}\n{notify}"));
        }
        let state = SubscriptionState::read(notify.get("Subscription-State").unwrap_or_default())?;
        if state.is_terminated() {
            let is_asked_for = matches!(asked, Some(Asked::End | Asked::Fetch));
            if !is_asked_for && self.life.is_some_and(|life| !life.may_be_over(now)) {
                return Err(format!("a live subscription ends:\n{notify}"));
            }
            self.is_terminated = true;
        }
        if !notify.body.is_empty() {
            self.told = Some(Presence::read(&notify.body)?.notes());
        }
        Ok(())
    }
}

/// Returns a lifetime to ask for, and when it may be over.
fn lifetime(chance: &mut Chance) -> (u32, Instant) {
    let expires_s = if chance.is(10) { 2 + chance.below(4) as u32 } else { 3600 };
    (expires_s, Lifetime::earliest_end(Instant::now(), expires_s))
}

const EVENT: &str = "presence";
