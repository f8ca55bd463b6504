//! Publishers (RFC 3903 §4), written from the clauses: one request at a time, and some that no publisher should send.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tests::message::Message;

use crate::deadlines::{Grant, Shifts};
use crate::documents::document;
use crate::phones::expires_of;
use crate::world::{About, World};

/// Whose presence is published.
pub(crate) const USERS: [&str; 3] = ["dana", "ed", "fay"];

/// A device of a presentity's.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) user: usize,
    pub(crate) number: usize,
    pub(crate) address: SocketAddr,
    call_id: String,
    cseq: u32,
    is_waiting: bool,
    /// What is published, as far as was acknowledged.
    pub(crate) acked: Option<Acked>,
    /// What was asked for since, and nobody knows what became of it.
    pub(crate) is_unsure: bool,
    /// Every state it ever sent.
    pub(crate) numbers: BTreeSet<u64>,
    /// Those of initial publications that this server, since it was started, has refused.
    pub(crate) refused: BTreeSet<u64>,
    /// When each of them must be over.
    pub(crate) bounds: Vec<Grant>,
    /// Entity-tags that were good once.
    stale: Vec<String>,
}

/// What was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acked {
    pub(crate) tag: String,
    pub(crate) number: u64,
    pub(crate) grant: Grant,
}

/// What a PUBLISH was for.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    device: usize,
    number: Option<u64>,
    expires_s: u64,
    sent_ms: u64,
    /// What had moved deadlines by then.
    sent_at: Shifts,
    /// How often the server had been started again.
    sent_after: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Continue,
    Initial,
    /// With an entity-tag that cannot match.
    Stale,
}

impl Device {
    pub(crate) fn new(user: usize, number: usize) -> Self {
        Self {
            user,
            number,
            address: ([198, 51, 100, (user * 10 + number) as u8], 5060).into(),
            call_id: format!("p{user}{number}"),
            cseq: 0,
            is_waiting: false,
            acked: None,
            is_unsure: false,
            numbers: BTreeSet::new(),
            refused: BTreeSet::new(),
            bounds: Vec::new(),
            stale: Vec::new(),
        }
    }
}

impl World {
    /// Lets a device publish, refresh, end, or do what it should not.
    pub(crate) fn publish(&mut self) {
        let at = self.chance.index(self.devices.len());
        if self.devices[at].is_waiting {
            return;
        }
        let expires_s = self.lifetime();
        let stale = self.stale_tag(at);
        let acked = self.devices[at].acked.clone();
        let (kind, tag, has_body, expires_s) = match (self.chance.below(20), acked, stale) {
            (0 | 1, _, Some(stale)) => (Kind::Stale, Some(stale), true, expires_s),
            (2, _, _) => (Kind::Initial, None, true, 0),
            (3..=5, Some(acked), _) => (Kind::Continue, Some(acked.tag), false, expires_s),
            (6 | 7, Some(acked), _) => (Kind::Continue, Some(acked.tag), false, 0),
            (_, Some(acked), _) => (Kind::Continue, Some(acked.tag), true, expires_s),
            (_, None, _) => (Kind::Initial, None, true, expires_s),
        };
        self.ask_to_publish(at, kind, tag, has_body, expires_s);
    }

    /// Returns an entity-tag that cannot match: a former one, or one of another presentity.
    fn stale_tag(&mut self, at: usize) -> Option<String> {
        let (user, own) = (self.devices[at].user, self.devices[at].stale.last().cloned());
        let others = self.devices.iter().filter(|device| device.user != user);
        let others: Vec<_> = others.filter_map(|device| Some(device.acked.as_ref()?.tag.clone())).collect();
        if others.is_empty() || self.chance.permille(300) {
            return own;
        }
        Some(others[self.chance.index(others.len())].clone())
    }

    fn ask_to_publish(&mut self, at: usize, kind: Kind, tag: Option<String>, has_body: bool, expires_s: u64) {
        let number = has_body.then(|| self.next_number());
        let (now, shifts, longest_s) = (self.now_ms(), self.shifts, self.configuration.max_expires_s.into());
        let device = &mut self.devices[at];
        device.cseq += 1;
        if kind == Kind::Initial {
            device.call_id = format!("p{}{}-{}", device.user, device.number, device.cseq);
        }
        let user = USERS[device.user];
        let (branch, cseq) = (self.branches.next("p"), device.cseq);
        let uri = format!("sip:{user}@pres.example");
        let mut request = Message::request("PUBLISH", &uri)
            .with("Via", format!("SIP/2.0/UDP {};branch={branch}", device.address))
            .with("From", format!("<{uri}>;tag=f{at}"))
            .with("To", format!("<{uri}>"))
            .with("Call-ID", &device.call_id)
            .with("CSeq", format!("{cseq} PUBLISH"))
            .with("Event", "presence")
            .with("Expires", expires_s);
        if let Some(tag) = &tag {
            request = request.with("SIP-If-Match", tag);
        }
        if let Some(number) = number {
            let body = document(user, device.number, number, &mut self.chance);
            request = request.with_body("application/pidf+xml", body);
            device.numbers.insert(number);
        }
        device.is_waiting = true;
        if kind != Kind::Stale {
            // It is carried out before its client gives up, or never.
            device.acked.iter_mut().for_each(|acked| acked.grant.bound(now, expires_s));
            device.bounds.push(Grant::new(now, now + 40_000, expires_s.min(longest_s), shifts));
        }
        let publish =
            Publish { device: at, number, expires_s, sent_ms: now, sent_at: shifts, sent_after: self.restarts, kind };
        self.ask(branch, self.devices[at].address, request.to_bytes(), About::Publish(publish));
    }

    /// Takes in what a PUBLISH came to; `None` if nobody answered.
    pub(crate) fn published(&mut self, publish: Publish, response: Option<&Message>) {
        let (now, shifts) = (self.now_ms(), self.shifts);
        let longest_s = u64::from(self.configuration.max_expires_s);
        let Publish { device: at, number, expires_s, sent_ms, sent_at, sent_after, kind } = publish;
        let code = response.and_then(Message::code);
        let acked_tag = self.devices[at].acked.as_ref().map(|acked| acked.tag.clone()).unwrap_or_default();
        let (is_meddled, meddled) =
            self.database.with(|disk| (disk.meddled.contains_key(&acked_tag), disk.meddled_number(&acked_tag)));
        let device = &mut self.devices[at];
        device.is_waiting = false;
        let was_sure = !device.is_unsure
            && !is_meddled
            && device.acked.as_ref().is_some_and(|acked| acked.grant.is_sure(now, shifts));
        match (code, kind) {
            (Some(200), Kind::Stale) => self.fail(format!("a stale entity-tag matched: {response:?}")),
            (Some(200), _) if expires_s == 0 => {
                if kind == Kind::Continue {
                    device.stale.extend(device.acked.take().map(|acked| acked.tag));
                    device.is_unsure = false;
                }
            }
            (Some(200), _) => {
                let tag = response.and_then(|response| response.get("SIP-ETag")).unwrap_or_default().to_owned();
                device.stale.extend(device.acked.as_ref().map(|acked| acked.tag.clone()));
                let former = device.acked.as_ref().map_or(0, |acked| meddled.unwrap_or(acked.number));
                let grant = Grant::new(sent_ms, now, response.map_or(0, expires_of).min(longest_s), sent_at);
                device.acked = Some(Acked { tag, number: number.unwrap_or(former), grant });
                device.is_unsure = false;
            }
            (Some(412), Kind::Continue) => {
                // Whoever repeats a removal after a crash may have removed it already.
                if was_sure && expires_s > 0 {
                    let acked = device.acked.clone();
                    return self.fail(format!("an acknowledged publication is forgotten: {acked:?}"));
                }
                (device.acked, device.is_unsure) = (None, false);
            }
            (Some(412), Kind::Stale) => {}
            // Whoever is refused may have been carried out all the same, if the database did not say.
            (None | Some(500 | 503), Kind::Continue) => device.is_unsure = true,
            (Some(500 | 503), Kind::Initial) if sent_after == self.restarts => device.refused.extend(number),
            (None | Some(500 | 503), _) => {}
            (Some(code), _) => self.fail(format!("a PUBLISH is answered {code}: {response:?}")),
        }
    }
}
