//! One subscription of a dialog, as its NOTIFYs must respect it (RFC 6665 §4.1.3, §4.5.2).
//!
//! Pure. What all subscriptions of a dialog share, `notify_rules.rs` judges.

use super::subscription_state::SubscriptionState;
use super::{Rule, Violation};
use crate::message::{Message, parameter};
use crate::pidf;
use crate::watcherinfo::{self, Table, WatcherInfo};

/// A subscription: what was asked for, what was told, and whether it is over.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    package: String,
    id: Option<String>,
    longest_request_s: u32,
    /// Why nothing may follow any more.
    end: Option<String>,
    /// Whether it was asked for again after its end.
    is_asked_again: bool,
    table: Table,
}

impl Usage {
    /// Begins a subscription to an Event value, `presence;id=7` for one.
    pub(super) fn new(event: &str) -> Self {
        let (package, id) = package_and_id(event);
        let (end, table) = (None, Table::default());
        Self { package, id, longest_request_s: 0, end, is_asked_again: false, table }
    }

    /// Returns whether an Event value means this subscription (RFC 6665 §8.2.1).
    pub(super) fn is_meant_by(&self, event: &str) -> bool {
        let (package, id) = package_and_id(event);
        self.package == package && self.id == id
    }

    /// Notes the duration a SUBSCRIBE asks for: no NOTIFY may promise more.
    pub(super) fn on_subscribe(&mut self, expires_s: u32) {
        self.longest_request_s = self.longest_request_s.max(expires_s);
        self.is_asked_again = self.end.is_some();
    }

    /// Notes that the SUBSCRIBE was refused.
    pub(super) fn on_refused(&mut self) {
        self.is_asked_again = false;
    }

    /// Checks what a NOTIFY says of the subscription and of what is watched.
    pub(super) fn on_notify(&mut self, notify: &Message) -> Vec<Violation> {
        let mut broken = Vec::new();
        if std::mem::take(&mut self.is_asked_again) {
            (self.end, self.table) = (None, Table::default());
        }
        self.check_state(notify, &mut broken);
        if let Some(content_type) = check_body_headers(notify, &mut broken) {
            self.check_document(content_type, &notify.body, &mut broken);
        }
        broken
    }

    /// Ends it.
    pub(super) fn end(&mut self, why: String) {
        self.end = Some(why);
    }

    /// Returns whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Lets the next watcherinfo document leave a gap in its versions: the server was started again.
    pub(super) fn allow_version_jump_once(&mut self) {
        self.table.allow_version_jump_once();
    }

    /// Lets the next watcherinfo document begin anew: those before were another server's.
    pub(super) fn change_servers(&mut self) {
        self.table.change_servers();
    }

    /// Returns what its watcherinfo documents come to.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    fn check_state(&mut self, notify: &Message, broken: &mut Vec<Violation>) {
        if let Some(end) = &self.end {
            broken.push(Violation::new(Rule::AfterEnd, format!("{:?}, although {end}", notify.get("CSeq"))));
        }
        let value = notify.get("Subscription-State").unwrap_or_default();
        match SubscriptionState::read(value) {
            Err(error) => broken.push(Violation::new(Rule::SubscriptionState, format!("{value:?}: {error}"))),
            Ok(state) => {
                if state.expires_s.is_some_and(|left| left > self.longest_request_s) {
                    let detail = format!("{value:?}, but only {} s were asked for", self.longest_request_s);
                    broken.push(Violation::new(Rule::SubscriptionState, detail));
                }
                if state.is_terminated() {
                    self.end = Some(format!("{:?} said {value:?}", notify.get("CSeq")));
                }
            }
        }
    }

    /// Checks that the body is what its package's watchers take (RFC 3856 §6.5, RFC 3857 §4.5), and is sound.
    fn check_document(&mut self, content_type: &str, body: &[u8], broken: &mut Vec<Violation>) {
        let expected = content_type_of(&self.package);
        if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected) {
            broken.push(Violation::new(Rule::ContentType, format!("{content_type} for {}", self.package)));
            return;
        }
        let read = if expected == pidf::CONTENT_TYPE {
            pidf::Presence::read(body).map(|_| ())
        } else {
            WatcherInfo::read(body).and_then(|info| self.table.apply(&info))
        };
        let declared = if body.starts_with(b"<?xml ") { Ok(()) } else { Err("no XML declaration".to_owned()) };
        if let Err(error) = read.and(declared) {
            broken.push(Violation::new(Rule::Document, format!("{error}:\n{}", String::from_utf8_lossy(body))));
        }
    }
}

/// Returns the type of the documents of a package.
pub(super) fn content_type_of(event: &str) -> &'static str {
    let is_winfo = package_and_id(event).0.ends_with(".winfo");
    if is_winfo { watcherinfo::CONTENT_TYPE } else { pidf::CONTENT_TYPE }
}

/// Returns what tells subscriptions of one dialog apart.
fn package_and_id(event: &str) -> (String, Option<String>) {
    (event.split(';').next().unwrap_or_default().trim().to_owned(), parameter(event, "id"))
}

/// Returns the Content-Type, if there is a body to judge by it.
fn check_body_headers<'a>(notify: &'a Message, broken: &mut Vec<Violation>) -> Option<&'a str> {
    let length = notify.get("Content-Length");
    if length != Some(notify.body.len().to_string().as_str()) {
        broken.push(Violation::new(Rule::ContentLength, format!("{length:?}, {} bytes follow", notify.body.len())));
    }
    let content_type = notify.get("Content-Type");
    if content_type.is_some() == notify.body.is_empty() {
        let detail = format!("{content_type:?}, the body has {} bytes", notify.body.len());
        broken.push(Violation::new(Rule::ContentType, detail));
        return None;
    }
    content_type
}
