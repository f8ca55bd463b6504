//! A request that came in, until it is answered: what the script sees of it, and what its functions do to it
//! (RFC 3261 §8.2).

use std::borrow::Cow;

use module_api::sip::header::HeaderId;
use module_api::sip::list::List;
use module_api::sip::message::Message;
use module_api::sip::method::Method;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::token::is_token;
use module_api::sip::uri::Uri;
use module_api::sip::via::Via;
use module_api::sip::writer::{ResponseHead, push_decimal};
use smallvec::SmallVec;

use super::outbox::Outbox;
use super::stateless::write_answer;
use super::wire::Wire;
use crate::script::Refused;
use crate::script::value::{AvpName, AvpValue, Variable};
use crate::transaction::server_table::Matched;
use crate::transaction::timers::Moment;
use crate::transport::address::{Peer, Transport};

/// A request in the hands of the script.
pub(crate) struct Request<'r> {
    pub(crate) wire: &'r Wire,
    pub(crate) message: Message<'r>,
    via: Via<'r>,
    pub(crate) peer: Peer,
    pub(crate) now: Moment,
    pub(crate) request_uri: Cow<'r, [u8]>,
    avps: SmallVec<[(AvpName, Avp); 2]>,
    pub(crate) transaction: Option<u64>,
    /// The URI of the authenticated sender, once a module has stated it; empty before.
    pub(crate) identity: Vec<u8>,
    /// An answer is sent, or a module has taken it upon itself.
    pub(crate) is_answered: bool,
    /// Topmost Route values that name this server: the script does not see them (RFC 3261 §16.4).
    own_routes: usize,
    outbox: &'r mut Outbox,
}

/// Whether a request has a server transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opened {
    /// None: another worker looks after another copy of it, or has answered it. Nothing is left to do.
    Copy,
    /// None, and none is to be had: an INVITE, whose transactions are of another kind (RFC 3261 §17.2.1).
    Never,
    /// None: there is no room.
    Refused,
    /// It has.
    Yes,
}

/// What an AVP holds.
enum Avp {
    Integer(i64),
    Text(SmallVec<[u8; 40]>),
}

impl<'r> Request<'r> {
    pub(crate) fn new(wire: &'r Wire, message: Message<'r>, via: Via<'r>, peer: Peer, outbox: &'r mut Outbox) -> Self {
        let routes = message.list(HeaderId::ROUTE);
        let is_own = |route: &&[u8]| NameAddr::parse(route).is_ok_and(|route| wire.myself.is_uri(route.uri));
        Self {
            wire,
            message,
            via,
            peer,
            now: wire.now(),
            request_uri: Cow::Borrowed(message.request_uri()),
            avps: SmallVec::new(),
            transaction: None,
            identity: Vec::new(),
            is_answered: false,
            own_routes: routes.take_while(is_own).count(),
            outbox,
        }
    }

    /// Opens a server transaction, unless there is one.
    pub(crate) fn open_transaction(&mut self) -> Opened {
        if self.transaction.is_some() {
            return Opened::Yes;
        }
        if self.message.method() == Method::INVITE {
            return Opened::Never;
        }
        match self.wire.table.on_request(&self.message, &self.via, self.peer, self.now) {
            Matched::New(handle) => {
                self.transaction = Some(handle);
                return Opened::Yes;
            }
            Matched::Refused => return Opened::Refused,
            Matched::Repeat(answer) => {
                self.wire.answer_again(&self.message, &self.via, self.peer, &answer, self.outbox);
            }
            Matched::Absorbed => {}
        }
        self.is_answered = true;
        Opened::Copy
    }

    /// Returns whether `t_newtran()` or a module has opened a transaction.
    pub(crate) fn has_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Gives the final answer: through the transaction if there is one, else statelessly. `headers` are complete lines.
    ///
    /// Returns false if the request was answered before, and for a 408 to what is no INVITE: by then its client has given
    /// up, and says so to itself (RFC 4320 §4.2).
    pub(crate) fn reply(&mut self, code: u16, reason: &[u8], headers: &[u8]) -> bool {
        if self.is_answered || code == 408 && self.message.method() != Method::INVITE {
            return false;
        }
        self.is_answered = true;
        let tag = self.own_tag();
        let start = self.outbox.bytes.len();
        let head = ResponseHead { code, reason, to_tag: &tag, headers, ..ResponseHead::default() };
        let destination = match self.transaction {
            Some(handle) => self.wire.table.reply(handle, &head, self.now, &mut self.outbox.bytes).ok(),
            None => {
                let out = &mut self.outbox.bytes;
                Some(write_answer(out, &self.message, Some(&self.via), self.peer, &head))
            }
        };
        let Some(destination) = destination else { return false };
        self.outbox.post(destination, start, self.now);
        true
    }

    /// Returns the To-tag in the AVP; a script may have put there what can be none.
    pub(crate) fn shared_tag(&self) -> Option<&[u8]> {
        match self.avp(self.wire.to_tags.avp) {
            Some(AvpValue::Text(tag)) if is_token(tag) => Some(tag),
            _ => None,
        }
    }

    /// Returns the To-tag of answers to this request; minted at first use, then in the AVP.
    fn own_tag(&mut self) -> SmallVec<[u8; 40]> {
        if let Some(tag) = self.shared_tag() {
            return SmallVec::from_slice(tag);
        }
        if self.has_to_tag() {
            return SmallVec::new();
        }
        let tag = self.wire.to_tags.mint(&self.message);
        self.set_avp(self.wire.to_tags.avp, Some(AvpValue::Text(&tag)));
        SmallVec::from_slice(&tag)
    }

    /// Returns whether the request is inside a dialog.
    pub(crate) fn has_to_tag(&self) -> bool {
        self.name_addr(HeaderId::TO).is_some_and(|to| to.tag().is_some())
    }

    fn name_addr(&self, id: HeaderId) -> Option<NameAddr<'r>> {
        NameAddr::parse(self.message.header(id)?).ok()
    }

    /// Returns a part of the URI of From or To.
    fn part(&self, id: HeaderId, part: impl FnOnce(Uri<'r>) -> Option<&'r [u8]>) -> Option<&'r [u8]> {
        part(Uri::parse(self.name_addr(id)?.uri).ok()?)
    }

    fn header_named(&self, name: &str) -> Option<&'r [u8]> {
        if HeaderId::of_name(name.as_bytes()) != HeaderId::ROUTE || self.own_routes == 0 {
            return self.message.header_named(name.as_bytes());
        }
        List::of_all(self.message.headers(HeaderId::ROUTE)).nth(self.own_routes)
    }

    /// Appends the value of a variable; returns false where it has none.
    pub(crate) fn variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let own = |uri: &Cow<'_, [u8]>, part: fn(Uri<'_>) -> Option<&[u8]>| {
            Uri::parse(uri).ok().and_then(part).map(<[u8]>::to_vec)
        };
        let local = || self.wire.network.listener(self.peer.local_socket).map(|listener| listener.address);
        let number = |number: u64, out: &mut Vec<u8>| {
            push_decimal(out, number);
            true
        };
        let value: Option<Cow<'_, [u8]>> = match variable {
            Variable::CallId => self.message.header(HeaderId::CALL_ID).map(Cow::Borrowed),
            Variable::CSeqNumber => return self.message.cseq().is_some_and(|cseq| number(cseq.number.into(), out)),
            Variable::DestinationAddress => {
                let own = self.peer.local.or_else(|| local().map(|address| address.ip()));
                own.map(|address| address.to_string().into_bytes().into())
            }
            Variable::DestinationPort => return local().is_some_and(|address| number(address.port().into(), out)),
            Variable::FromDomain => self.part(HeaderId::FROM, |uri| Some(uri.host)).map(Cow::Borrowed),
            Variable::FromTag => self.name_addr(HeaderId::FROM).and_then(|from| from.tag()).map(Cow::Borrowed),
            Variable::FromUri => self.name_addr(HeaderId::FROM).map(|from| Cow::Borrowed(from.uri)),
            Variable::FromUser => self.part(HeaderId::FROM, |uri| uri.user).map(Cow::Borrowed),
            Variable::Header(name) => self.header_named(name).map(Cow::Borrowed),
            Variable::MessageLength => return number(self.message.raw().len() as u64, out),
            Variable::Method => Some(Cow::Borrowed(self.message.method_name())),
            Variable::Protocol => Some(Cow::Borrowed(match self.peer.transport {
                Transport::Tcp => b"tcp",
                Transport::Udp => b"udp",
            })),
            Variable::RequestDomain => own(&self.request_uri, |uri| Some(uri.host)).map(Cow::Owned),
            Variable::RequestUri => Some(Cow::Borrowed(&*self.request_uri)),
            Variable::RequestUser => own(&self.request_uri, |uri| uri.user).map(Cow::Owned),
            Variable::SourceAddress => Some(self.peer.remote.ip().to_string().into_bytes().into()),
            Variable::SourcePort => return number(self.peer.remote.port().into(), out),
            Variable::ToDomain => self.part(HeaderId::TO, |uri| Some(uri.host)).map(Cow::Borrowed),
            Variable::ToTag => self.name_addr(HeaderId::TO).and_then(|to| to.tag()).map(Cow::Borrowed),
            Variable::ToUri => self.name_addr(HeaderId::TO).map(|to| Cow::Borrowed(to.uri)),
            Variable::ToUser => self.part(HeaderId::TO, |uri| uri.user).map(Cow::Borrowed),
        };
        value.inspect(|value| out.extend_from_slice(value)).is_some()
    }

    /// Replaces the Request-URI; what cannot be one is refused.
    pub(crate) fn set_request_uri(&mut self, uri: &[u8]) -> Result<(), Refused> {
        Uri::parse(uri).map_err(|_| Refused)?;
        self.request_uri = Cow::Owned(uri.to_vec());
        Ok(())
    }

    /// Returns the value of an AVP.
    pub(crate) fn avp(&self, name: AvpName) -> Option<AvpValue<'_>> {
        let (_, avp) = self.avps.iter().find(|(known, _)| *known == name)?;
        Some(match avp {
            Avp::Integer(number) => AvpValue::Integer(*number),
            Avp::Text(text) => AvpValue::Text(text),
        })
    }

    /// Gives an AVP a value, or takes it away.
    pub(crate) fn set_avp(&mut self, name: AvpName, value: Option<AvpValue<'_>>) {
        let value = value.map(|value| match value {
            AvpValue::Integer(number) => Avp::Integer(number),
            AvpValue::Text(text) => Avp::Text(SmallVec::from_slice(text)),
        });
        self.avps.retain(|(known, _)| *known != name);
        self.avps.extend(value.map(|value| (name, value)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use module_api::sip::message::{HeaderTable, scan};

    use super::super::network::Listener;
    use super::super::world::Machine;
    use super::*;
    use crate::limits::Limits;

    fn wire() -> Arc<Wire> {
        let listener = Listener::bind(Transport::Udp, "127.0.0.1:0".parse().unwrap(), &Limits::default()).unwrap();
        Wire::new(vec![listener], &[], 25, Limits::default(), Machine::start()).unwrap()
    }

    /// What comes of opening transactions for a request and its copies, which all got past the look for copies: each
    /// worker had one.
    fn check(method: &str, expected: &[Opened]) {
        let wire = wire();
        let text = format!(
            "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=f\r\n\
             To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
        );
        for (at, expected) in expected.iter().enumerate() {
            let (mut table, mut outbox) = (HeaderTable::new(), wire.outbox());
            let message = scan(text.as_bytes(), &mut table).unwrap();
            let via = Via::parse_first(message.header(HeaderId::VIA).unwrap()).unwrap();
            let peer = Peer::udp("127.0.0.1:9".parse().unwrap(), 0);
            let mut request = Request::new(&wire, message, via, peer, &mut outbox);
            assert_eq!(request.open_transaction(), *expected, "{method} {at}");
            assert_eq!(request.open_transaction(), *expected, "{method} {at}, asked again");
            let is_left_to_others = *expected == Opened::Copy;
            assert_eq!(request.reply(200, b"", b""), !is_left_to_others, "{method} {at}");
        }
    }

    #[test]
    fn a_copy_that_came_at_the_same_time_is_left_to_whoever_has_the_first() {
        check("PUBLISH", &[Opened::Yes, Opened::Copy, Opened::Copy]);
        check("INVITE", &[Opened::Never, Opened::Never]);
    }
}
