//! What every watcher demands of every NOTIFY, whatever else a test checks (RFC 6665 §4.1.3, RFC 3261 §12.2).
//!
//! Pure: fed with what a dialog sends and receives, it returns what was broken. `watcher.rs` drives it; what belongs to one
//! of several subscriptions in the dialog, `usage.rs` judges.

use super::usage::Usage;
use crate::message::{Message, uri_of};
use crate::user_agent::{Rule, Violation};

/// A dialog and its subscriptions, as NOTIFYs must respect them.
#[derive(Clone, Debug)]
pub struct NotifyRules {
    call_id: String,
    local_tag: String,
    remote_tag: Option<String>,
    last_cseq: Option<u32>,
    /// The CSeq of the NOTIFY in flight, and its subscription.
    unanswered: Option<(u32, Option<usize>)>,
    may_jump: bool,
    usages: Vec<Usage>,
}

impl NotifyRules {
    /// Begins with what our SUBSCRIBE says: its Call-ID and its From tag.
    pub fn new(call_id: &str, local_tag: &str) -> Self {
        Self {
            call_id: call_id.into(),
            local_tag: local_tag.into(),
            remote_tag: None,
            last_cseq: None,
            unanswered: None,
            may_jump: false,
            usages: Vec::new(),
        }
    }

    /// Notes what a SUBSCRIBE asks for: from then on NOTIFYs of that Event may come.
    pub fn on_subscribe(&mut self, event: &str, expires_s: u32) {
        let known = self.usage(event);
        let number = known.unwrap_or_else(|| {
            self.usages.push(Usage::new(event));
            self.usages.len() - 1
        });
        self.usages[number].on_subscribe(expires_s);
    }

    /// Notes that a SUBSCRIBE was refused.
    pub fn on_refused(&mut self, event: &str) {
        if let Some(number) = self.usage(event) {
            self.usages[number].on_refused();
        }
    }

    /// Checks the tag of a 2xx to our SUBSCRIBE against the NOTIFYs, whichever came first.
    pub fn on_accepted(&mut self, response: &Message) -> Vec<Violation> {
        let mut broken = Vec::new();
        match response.tag("To") {
            Some(tag) => self.check_remote_tag(&tag, "the 2xx", &mut broken),
            None => broken.push(Violation::new(Rule::FromTag, format!("the 2xx has no To tag:\n{response}"))),
        }
        broken
    }

    /// Checks a NOTIFY that is no retransmission.
    pub fn on_notify(&mut self, notify: &Message) -> Vec<Violation> {
        let mut broken = Vec::new();
        check_once(notify, &mut broken);
        self.check_dialog(notify, &mut broken);
        if broken.iter().any(|violation| matches!(violation.rule, Rule::CallId | Rule::ToTag)) {
            // Of another dialog: it says nothing about the sequence of this one.
            return broken;
        }
        let usage = self.usage(notify.get("Event").unwrap_or_default());
        self.check_sequence(notify, usage, &mut broken);
        match usage {
            Some(number) => broken.extend(self.usages[number].on_notify(notify)),
            None => broken.push(Violation::new(Rule::Event, format!("nobody subscribed to {:?}", notify.get("Event")))),
        }
        check_hop(notify, &mut broken);
        broken
    }

    /// Notes that we have answered a NOTIFY, and how: some answers end the subscription (RFC 6665 §4.2.2).
    pub fn on_answered(&mut self, cseq: u32, code: u16) {
        let Some((_, usage)) = self.unanswered.take_if(|(waiting, _)| *waiting == cseq) else { return };
        if matches!(code, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604) {
            let ended = usage.and_then(|number| self.usages.get_mut(number));
            ended.into_iter().for_each(|usage| usage.end(format!("we answered CSeq {cseq} with {code}")));
        }
    }

    /// Notes that the NOTIFY in flight was never answered, and that timer F has fired for it.
    pub fn on_lost(&mut self) {
        self.unanswered = None;
    }

    /// Lets the next NOTIFY leave a gap in CSeq, and the next document of each subscription one in its version, and forgets
    /// what was in flight: the server was killed.
    pub fn allow_jump_once(&mut self) {
        self.may_jump = true;
        self.usages.iter_mut().for_each(Usage::allow_version_jump_once);
    }

    /// Goes on in the dialog with a server that took it over from another, as after a kill.
    pub fn change_servers(&mut self) {
        self.may_jump = true;
        self.usages.iter_mut().for_each(Usage::change_servers);
    }

    /// Returns the watchers that the documents of `event` tell of, one line each.
    pub fn watchers(&self, event: &str) -> Vec<String> {
        self.usage(event).map(|number| self.usages[number].table().summary()).unwrap_or_default()
    }

    /// Returns the server's tag, as soon as anything told it.
    pub fn remote_tag(&self) -> Option<&str> {
        self.remote_tag.as_deref()
    }

    /// Returns whether every subscription of the dialog is over.
    pub fn is_over(&self) -> bool {
        self.usages.iter().all(Usage::is_over)
    }

    fn usage(&self, event: &str) -> Option<usize> {
        self.usages.iter().position(|usage| usage.is_meant_by(event))
    }

    fn check_remote_tag(&mut self, tag: &str, where_seen: &str, broken: &mut Vec<Violation>) {
        let expected = self.remote_tag.get_or_insert_with(|| tag.to_owned());
        if expected != tag {
            broken.push(Violation::new(Rule::FromTag, format!("{where_seen} has {tag}, the dialog has {expected}")));
        }
    }

    fn check_dialog(&mut self, notify: &Message, broken: &mut Vec<Violation>) {
        if notify.get("Call-ID") != Some(&self.call_id) {
            let seen = notify.get("Call-ID");
            broken.push(Violation::new(Rule::CallId, format!("{seen:?}, the dialog has {}", self.call_id)));
        }
        if notify.tag("To").as_ref() != Some(&self.local_tag) {
            let seen = notify.tag("To");
            broken.push(Violation::new(Rule::ToTag, format!("{seen:?}, we are {}", self.local_tag)));
        }
        match notify.tag("From") {
            Some(tag) => self.check_remote_tag(&tag, "NOTIFY", broken),
            None => broken.push(Violation::new(Rule::FromTag, "From has no tag")),
        }
    }

    fn check_sequence(&mut self, notify: &Message, usage: Option<usize>, broken: &mut Vec<Violation>) {
        let Some((cseq, "NOTIFY")) = notify.cseq() else {
            broken.push(Violation::new(Rule::CSeq, format!("{:?}", notify.get("CSeq"))));
            return;
        };
        let may_jump = std::mem::take(&mut self.may_jump);
        match self.last_cseq {
            Some(last) if may_jump && cseq > last => {}
            Some(last) if cseq == last.wrapping_add(1) => {}
            Some(last) => broken.push(Violation::new(Rule::CSeq, format!("{cseq} follows {last}"))),
            None if cseq < 1 << 31 => {}
            None => broken.push(Violation::new(Rule::CSeq, format!("{cseq} is 2**31 or more"))),
        }
        if let Some((waiting, _)) = self.unanswered.filter(|_| !may_jump) {
            broken.push(Violation::new(Rule::InFlight, format!("{cseq} comes while {waiting} has no answer")));
        }
        self.last_cseq = Some(cseq);
        self.unanswered = Some((cseq, usage));
    }
}

fn check_once(notify: &Message, broken: &mut Vec<Violation>) {
    const SINGLE: [&str; 10] = [
        "Call-ID",
        "Contact",
        "Content-Length",
        "Content-Type",
        "CSeq",
        "Event",
        "From",
        "Max-Forwards",
        "Subscription-State",
        "To",
    ];
    for name in SINGLE.into_iter().filter(|name| notify.all(name).len() > 1) {
        broken.push(Violation::new(Rule::Repeated, name));
    }
}

fn check_hop(notify: &Message, broken: &mut Vec<Violation>) {
    if !notify.get("Max-Forwards").is_some_and(|value| value.parse::<u8>().is_ok_and(|left| left > 0)) {
        broken.push(Violation::new(Rule::MaxForwards, format!("{:?}", notify.get("Max-Forwards"))));
    }
    if !notify.branch().is_some_and(|branch| branch.starts_with("z9hG4bK") && branch.len() > 7) {
        broken.push(Violation::new(Rule::Via, format!("{:?}", notify.get("Via"))));
    }
    let contacts = notify.list("Contact");
    let uri = contacts.first().map(|contact| uri_of(contact)).unwrap_or_default();
    if contacts.len() != 1 || !(uri.starts_with("sip:") || uri.starts_with("sips:")) {
        broken.push(Violation::new(Rule::Contact, format!("{contacts:?}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pidf, watcherinfo};

    fn notify(cseq: u32) -> Message {
        let length = pidf::closed("sip:dana@pres.example", "t", "").len();
        Message::request("NOTIFY", "sip:ann@127.0.0.1:5070")
            .with("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKn")
            .with("From", "<sip:dana@pres.example>;tag=theirs")
            .with("To", "<sip:ann@watch.example>;tag=ours")
            .with("Call-ID", "c1")
            .with("CSeq", format!("{cseq} NOTIFY"))
            .with("Max-Forwards", 70)
            .with("Contact", "<sip:127.0.0.1:5060>")
            .with("Event", "presence;id=7")
            .with("Subscription-State", "active;expires=600")
            .with("Content-Length", length)
            .with_body(pidf::CONTENT_TYPE, pidf::closed("sip:dana@pres.example", "t", ""))
    }

    fn rules() -> NotifyRules {
        let mut rules = NotifyRules::new("c1", "ours");
        rules.on_subscribe("presence;id=7", 600);
        rules
    }

    /// Feeds an answered first NOTIFY, then `second`, and compares the rules that `second` breaks.
    fn check(second: Message, expected: &[Rule]) {
        let mut rules = rules();
        let first = rules.on_notify(&notify(1));
        assert!(first.is_empty(), "{first:?}");
        rules.on_answered(1, 200);
        check_broken(&rules.on_notify(&second), expected);
    }

    fn check_broken(broken: &[Violation], expected: &[Rule]) {
        let seen: Vec<_> = broken.iter().map(|violation| violation.rule).collect();
        assert_eq!(seen, expected, "{broken:#?}");
    }

    #[test]
    fn a_notify_that_keeps_every_promise_passes() {
        check(notify(2), &[]);
        check(notify(2).set("Subscription-State", "terminated;reason=timeout"), &[]);
        check(notify(2).without("Content-Type").set("Content-Length", 0).tap_empty(), &[]);
    }

    #[test]
    fn every_broken_dialog_id_is_seen() {
        check(notify(2).set("Call-ID", "c2"), &[Rule::CallId]);
        check(notify(2).set("To", "<sip:ann@watch.example>;tag=OURS"), &[Rule::ToTag]);
        check(notify(2).set("To", "<sip:ann@watch.example>"), &[Rule::ToTag]);
        check(notify(2).set("From", "<sip:dana@pres.example>;tag=other"), &[Rule::FromTag]);
        check(notify(2).set("From", "<sip:dana@pres.example>"), &[Rule::FromTag]);
    }

    #[test]
    fn the_tag_of_the_200_must_be_that_of_a_notify_that_overtook_it() {
        let mut rules = rules();
        assert!(rules.on_notify(&notify(1)).is_empty());
        let accepted = |tag: &str| {
            Message { start: "SIP/2.0 200 OK".into(), ..Message::request("X", "x") }
                .with("To", format!("<a>;tag={tag}"))
        };
        assert!(rules.on_accepted(&accepted("theirs")).is_empty());
        check_broken(&rules.on_accepted(&accepted("others")), &[Rule::FromTag]);
        assert_eq!(rules.remote_tag(), Some("theirs"));
    }

    #[test]
    fn a_cseq_that_is_not_the_next_is_seen() {
        check(notify(1), &[Rule::CSeq]);
        check(notify(3), &[Rule::CSeq]);
        check(notify(2).set("CSeq", "2 PUBLISH"), &[Rule::CSeq]);
        check_broken(&rules().on_notify(&notify(1 << 31)), &[Rule::CSeq]);
    }

    #[test]
    fn one_jump_upward_is_allowed_after_a_restart() {
        let mut rules = rules();
        rules.on_notify(&notify(1));
        rules.allow_jump_once();
        check_broken(&rules.on_notify(&notify(64)), &[]);
        rules.on_answered(64, 200);
        check_broken(&rules.on_notify(&notify(66)), &[Rule::CSeq]);
        rules.allow_jump_once();
        check_broken(&rules.on_notify(&notify(3)), &[Rule::CSeq]);
    }

    #[test]
    fn a_second_notify_in_flight_is_seen() {
        let mut rules = rules();
        rules.on_notify(&notify(1));
        check_broken(&rules.on_notify(&notify(2)), &[Rule::InFlight]);
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let mut rules = rules();
        rules.on_notify(&notify(1).set("Subscription-State", "terminated;reason=timeout"));
        rules.on_answered(1, 200);
        assert!(rules.is_over());
        check_broken(&rules.on_notify(&notify(2)), &[Rule::AfterEnd]);
    }

    #[test]
    fn an_answer_that_ends_the_subscription_is_the_end() {
        for (code, expected) in [(481, vec![Rule::AfterEnd]), (500, vec![]), (403, vec![])] {
            let mut rules = rules();
            rules.on_notify(&notify(1));
            rules.on_answered(1, code);
            check_broken(&rules.on_notify(&notify(2)), &expected);
        }
    }

    #[test]
    fn a_subscription_state_that_contradicts_itself_is_seen() {
        check(notify(2).set("Subscription-State", "active"), &[Rule::SubscriptionState]);
        check(notify(2).without("Subscription-State"), &[Rule::SubscriptionState]);
        check(notify(2).set("Subscription-State", "active;expires=601"), &[Rule::SubscriptionState]);
    }

    #[test]
    fn event_is_echoed_with_its_id() {
        check(notify(2).set("Event", "presence"), &[Rule::Event]);
        check(notify(2).set("Event", "presence;id=8"), &[Rule::Event]);
        check(notify(2).set("Event", "dialog;id=7"), &[Rule::Event]);
        check(notify(2).set("Event", "presence;x=y;id=7"), &[]);
    }

    #[test]
    fn missing_and_repeated_headers_are_seen() {
        check(notify(2).without("Max-Forwards"), &[Rule::MaxForwards]);
        check(notify(2).set("Max-Forwards", 0), &[Rule::MaxForwards]);
        check(notify(2).without("Contact"), &[Rule::Contact]);
        check(notify(2).set("Contact", "<tel:1>"), &[Rule::Contact]);
        check(notify(2).set("Contact", "<sip:a>, <sip:b>"), &[Rule::Contact]);
        check(notify(2).set("Via", "SIP/2.0/UDP a;branch=1"), &[Rule::Via]);
        check(notify(2).with("Event", "presence;id=7"), &[Rule::Repeated]);
    }

    #[test]
    fn a_body_is_named_measured_and_valid() {
        check(notify(2).without("Content-Type"), &[Rule::ContentType]);
        check(notify(2).set("Content-Type", "text/plain"), &[Rule::ContentType]);
        check(notify(2).set("Content-Length", 3), &[Rule::ContentLength]);
        check(notify(2).without("Content-Length"), &[Rule::ContentLength]);
        check(notify(2).set("Content-Length", 0).tap_empty(), &[Rule::ContentType]);
        let broken = notify(2).set("Content-Length", 4).with_body(pidf::CONTENT_TYPE, "<a/>");
        check(broken, &[Rule::Document]);
        let bare = pidf::closed("sip:a@b", "t", "").split_once("?>").map(|(_, rest)| rest.to_owned()).unwrap();
        check(notify(2).set("Content-Length", bare.len()).with_body(pidf::CONTENT_TYPE, bare), &[Rule::Document]);
    }

    #[test]
    fn several_subscriptions_of_a_dialog_share_its_sequence_and_end_apart() {
        let mut rules = rules();
        rules.on_subscribe("presence;id=8", 60);
        let eighth = |cseq, state| notify(cseq).set("Event", "presence;id=8").set("Subscription-State", state);
        check_broken(&rules.on_notify(&notify(1)), &[]);
        rules.on_answered(1, 200);
        check_broken(&rules.on_notify(&eighth(2, "active;expires=600")), &[Rule::SubscriptionState]);
        rules.on_answered(2, 200);
        check_broken(&rules.on_notify(&eighth(3, "terminated;reason=timeout")), &[]);
        check_broken(&rules.on_notify(&notify(4)), &[Rule::InFlight]);
        rules.on_answered(4, 200);
        check_broken(&rules.on_notify(&eighth(5, "active;expires=60")), &[Rule::AfterEnd]);
        assert!(!rules.is_over());
        rules.on_answered(5, 200);
        rules.on_subscribe("presence;id=8", 60);
        check_broken(&rules.on_notify(&eighth(6, "active;expires=60")), &[]);
    }

    #[test]
    fn watcher_information_is_judged_by_its_own_rules() {
        let mut rules = NotifyRules::new("c1", "ours");
        rules.on_subscribe("presence.winfo", 600);
        let mut told = |cseq: u32, version: u32, content_type: &str| {
            let body = format!(
                "<?xml version='1.0'?><watcherinfo xmlns='{}' version='{version}' state='full'/>",
                watcherinfo::NAMESPACE
            );
            let notify = notify(cseq).set("Event", "presence.winfo").set("Content-Length", body.len());
            let broken = rules.on_notify(&notify.with_body(content_type, body));
            rules.on_answered(cseq, 200);
            broken
        };
        check_broken(&told(1, 0, watcherinfo::CONTENT_TYPE), &[]);
        check_broken(&told(2, 1, watcherinfo::CONTENT_TYPE), &[]);
        check_broken(&told(3, 3, watcherinfo::CONTENT_TYPE), &[Rule::Document]);
        check_broken(&told(4, 4, pidf::CONTENT_TYPE), &[Rule::ContentType]);
    }

    impl Message {
        fn tap_empty(mut self) -> Self {
            self.body.clear();
            self
        }
    }
}
