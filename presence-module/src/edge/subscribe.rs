//! SUBSCRIBE (RFC 6665 §4.2.1): the request taken apart, its rejections as responses.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use module_api::abi::{CallResult, Request, Transport};
use module_api::sip::header::HeaderId;
use module_api::sip::list::List;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::uri::Uri;
use smol_str::SmolStr;

use super::core::{Core, Settings};
use super::request::{Handled, Incoming, Refusal, lenient_text, requested_expires, text, to_tag_of_script};
use super::step::{NotNow, Parked};
use crate::change::{Now, Status, SubscriptionKey, SubscriptionRow, TransportAddress};
use crate::dialog::DialogKey;
use crate::effect::{Created, Creation, Decision, Reply};
use crate::headers::accept::{self, is_media_type};
use crate::headers::event::Event;
use crate::limits::Bound;
use crate::notification::first_hop;
use crate::package::Package;
use crate::presentity::Presentity;
use crate::presentity_uri::{PresentityUri, UserAtDomain};
use crate::subscription::{InitialSubscribe, RefreshSubscribe, Rejection, Subscribed};
use crate::watcher_mark::WatcherMark;

/// What of a User-Agent is kept, in bytes.
const USER_AGENT_BYTES_MAX: usize = 256;
/// What of a display name is kept, in bytes.
const DISPLAY_NAME_BYTES_MAX: usize = 1024;

impl Core {
    /// Handles a SUBSCRIBE; the answer and its NOTIFY follow once what it did is durable.
    pub(super) fn handle_subscribe(&self, request: &Request<'_>) -> CallResult {
        self.metrics.count(self.metrics.subscribes);
        let run = || {
            let incoming = Incoming::read(request)?;
            match incoming.to.tag() {
                Some(local_tag) => self.refresh(&incoming, local_tag),
                None => self.subscribe(&incoming),
            }
        };
        self.finish(request, run())
    }

    fn subscribe(&self, incoming: &Incoming<'_>) -> Result<Handled, Refusal> {
        let request = incoming.request;
        let presentity = incoming.presentity(self)?;
        let (package, event_id) = event(request)?;
        refuse_body(request)?;
        let contact = contact(request)?.ok_or_else(|| Refusal::new(400, "Missing Contact"))?;
        let minted = incoming.mint(self, &presentity);
        let to_tag = to_tag_of_script(request).unwrap_or(minted.to_tag);
        let dialog =
            DialogKey::of(incoming.call_id.as_bytes(), to_tag.as_bytes(), incoming.from.tag().unwrap_or_default());
        let mut row = self.row(incoming, &presentity, package, event_id, contact)?;
        row.local_tag = to_tag.clone();
        row.watcher_id = match row.local_cseq {
            0 => minted.entity_tag,
            // What comes again after a start may begin anew, while its watcher waits under the id of what it began before.
            above => format!("{}-{above}", minted.entity_tag).into(),
        };
        row.received = self.settings.follows_source.then(|| source_behind_nat(&row, request)).flatten();
        let (expires, flow) = (requested_expires(request), request.flow());
        let expected = self.expect_answer(dialog, &row, request)?;
        let subscribe = InitialSubscribe {
            package,
            row,
            expires,
            is_acceptable: is_acceptable(request, package),
            flow,
            no_room: None,
        };
        let ceilings = self.ceilings.clone();
        let answer = Answer { transaction: request.transaction(), code: self.settings.accepted.code(package) };
        let (policy, answer_tag) = (self.settings.policy, to_tag.clone());
        let decide = move |presentity: &mut Presentity, now: Now| {
            let no_room = ceilings.no_subscription(WatcherMark::of(&subscribe.row.watcher));
            let subscribe = InitialSubscribe { no_room, ..subscribe };
            let subscribed = presentity.on_subscribe(dialog, subscribe, &policy, now);
            let created = |subscribed: &Subscribed| {
                let what = Creation::Subscription(subscribed.created?);
                Some(Created { presentity: presentity.uri().clone(), what })
            };
            match subscribed {
                Ok(subscribed) => {
                    let created = created(&subscribed);
                    answer.accepted(subscribed, answer_tag, created)
                }
                Err(rejection) => {
                    ceilings.count_refusal(rejection);
                    answer.refused(rejection, package, answer_tag)
                }
            }
        };
        let parked = Parked { transaction: request.transaction(), to_tag: to_tag.clone(), decide: Box::new(decide) };
        let stepped = self.step_knowing_rules(&presentity, parked);
        if expected && stepped != Ok(true) {
            self.unanswered.lock().on_refused(dialog);
        }
        let is_accepted = stepped?;
        Ok(Handled { to_tag, is_accepted })
    }

    fn refresh(&self, incoming: &Incoming<'_>, local_tag: &[u8]) -> Result<Handled, Refusal> {
        let request = incoming.request;
        let remote_tag = incoming.from.tag().unwrap_or_default();
        let dialog = DialogKey::of(incoming.call_id.as_bytes(), local_tag, remote_tag);
        // While the database is away nobody knows: what was staged last may not have been committed.
        let unknown = || if self.is_away() { NotNow::Unsettled.into() } else { no_such_dialog() };
        let presentity = self.dialogs.find(dialog).ok_or_else(unknown)?;
        let (package, event_id) = event(request)?;
        refuse_body(request)?;
        let contact = contact(request)?;
        let refresh = RefreshSubscribe {
            package,
            event_id,
            cseq: incoming.cseq,
            expires: requested_expires(request),
            is_acceptable: is_acceptable(request, package),
            is_behind_nat: self.settings.follows_source
                && contact.as_ref().is_some_and(|contact| is_elsewhere(&contact.uri, request)),
            remote_target: contact.map(|contact| contact.uri),
            accept: accept_header(request)?,
            identity: incoming.identity(self),
            source: source(request),
            socket: socket(request),
            flow: request.flow(),
            local_contact: self.local_contact(request),
            user_agent: user_agent(request),
            no_room: None,
            watcher_id: incoming.mint(self, &presentity).entity_tag,
        };
        let answer = Answer { transaction: request.transaction(), code: self.settings.accepted.code(package) };
        let mut is_accepted = false;
        self.step(&presentity, |presentity, now| {
            let no_room = presentity.dialog(dialog).and_then(|dialog| dialog.usages().first());
            let no_room = no_room.and_then(|usage| self.ceilings.no_subscription(WatcherMark::of_row(&usage.row)));
            let refresh = RefreshSubscribe { no_room, ..refresh };
            let result = presentity.on_refresh(dialog, refresh, &self.settings.policy, now);
            is_accepted = result.is_ok();
            match result {
                Ok(subscribed) => answer.accepted(subscribed, SmolStr::default(), None),
                Err(rejection) => {
                    self.ceilings.count_refusal(rejection);
                    answer.refused(rejection, package, SmolStr::default())
                }
            }
        })?;
        Ok(Handled { to_tag: SmolStr::default(), is_accepted })
    }

    /// Expects an answer to the first NOTIFY of a dialog, or refuses to begin it: too many are unanswered already that its sender
    /// brought about, or that went where its NOTIFY would go. Who has opened a connection has shown where it is.
    fn expect_answer(&self, dialog: DialogKey, row: &SubscriptionRow, request: &Request<'_>) -> Result<bool, Refusal> {
        let Some(source) = source(request).filter(|source| source.transport == Transport::UDP) else {
            return Ok(false);
        };
        let source = self.parties.hash_one(party(source.address.ip()));
        let target = match row.received {
            Some(received) => self.parties.hash_one(party(received.address.ip())),
            None => self.target(first_hop(&row.route_set, &row.remote_target)),
        };
        let (parties, now) = ([source, target], self.now().mono);
        let mut unanswered = self.unanswered.lock();
        if unanswered.is_over(parties, self.settings.unanswered_max, now) {
            drop(unanswered);
            self.ceilings.count(Bound::Unanswered);
            return Err(Refusal::no_room(Bound::Unanswered));
        }
        unanswered.on_begun(dialog, parties, now);
        Ok(true)
    }

    fn target(&self, next_hop: &[u8]) -> u64 {
        let host = Uri::parse(next_hop).map(|uri| String::from_utf8_lossy(uri.host).to_ascii_lowercase());
        let host = host.unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => self.parties.hash_one(party(address)),
            Err(_) => self.parties.hash_one(host),
        }
    }

    fn row(
        &self,
        incoming: &Incoming<'_>,
        presentity: &Arc<PresentityUri>,
        package: Package,
        event_id: SmolStr,
        contact: Contact,
    ) -> Result<SubscriptionRow, Refusal> {
        let request = incoming.request;
        let from = Uri::parse(incoming.from.uri).map_err(|_| Refusal::new(400, "Malformed From"))?;
        // It is the From of every NOTIFY.
        Uri::parse(incoming.to.uri).map_err(|_| Refusal::new(400, "Malformed To"))?;
        let identity = incoming.identity(self);
        let watcher = watcher_of(&Uri::parse(identity.as_bytes()).unwrap_or(from))?;
        if !watcher.is_storable() {
            return Err(Refusal::new(400, "From names nobody who can be told apart"));
        }
        Ok(SubscriptionRow {
            key: SubscriptionKey([0; 16]),
            presentity: presentity.clone(),
            watcher,
            event: SmolStr::new_static(package.name()),
            event_id,
            call_id: incoming.call_id.into(),
            local_tag: SmolStr::default(),
            remote_tag: text(incoming.from.tag().unwrap_or_default(), "From tag")?.into(),
            local_cseq: self.first_cseq_above(),
            remote_cseq: incoming.cseq,
            remote_target: contact.uri,
            route_set: route_set(request)?,
            expires: 0,
            granted_s: 0,
            status: Status::Pending,
            version: 0,
            presentity_uri: text(incoming.presentity_uri(self), "Request-URI")?.into(),
            local_uri: text(incoming.to.uri, "To")?.into(),
            remote_uri: text(incoming.from.uri, "From")?.into(),
            identity,
            accept: accept_header(request)?,
            local_contact: self.local_contact(request).ok_or_else(|| Refusal::new(500, "No local address"))?,
            received: None,
            socket: socket(request),
            user_agent: user_agent(request),
            instance: contact.instance,
            watcher_id: SmolStr::default(),
            display_name: lenient_text(&incoming.from.display_text(), DISPLAY_NAME_BYTES_MAX),
            subscribed_at: 0,
        })
    }

    /// Returns the URI at which later requests of the dialog reach us: what the operator says, else the listener this one
    /// came in on, as a GRUU of our own making (RFC 6665 §4.5.1, RFC 5627 §4.3).
    fn local_contact(&self, request: &Request<'_>) -> Option<SmolStr> {
        let Settings { server_address, contact_user, .. } = &self.settings;
        if !server_address.is_empty() {
            return Some(server_address.clone());
        }
        let local = request.local().get()?;
        let at = if contact_user.is_empty() { "" } else { "@" };
        let transport = if request.transport() == Transport::TCP { ";transport=tcp" } else { "" };
        Some(smol_str::format_smolstr!("sip:{contact_user}{at}{local}{transport};gr"))
    }
}

/// Returns what one party can be expected to own whole: an IPv4 address, or an IPv6 /64.
fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

/// How a SUBSCRIBE is answered.
#[derive(Clone, Copy)]
struct Answer {
    transaction: u64,
    /// The code of success.
    code: u16,
}

impl Answer {
    fn accepted(self, subscribed: Subscribed, to_tag: SmolStr, created: Option<Created>) -> Decision {
        let Subscribed { changes, expires_s, local_contact, .. } = subscribed;
        let headers = format!("Expires: {expires_s}\r\nContact: <{local_contact}>\r\n").into_bytes();
        let ok = Reply::ok(self.transaction, to_tag, headers);
        let reply = Reply { code: self.code, mirror_record_route: true, created, ..ok };
        Decision { changes, ..Decision::reply(reply) }
    }

    fn refused(self, rejection: Rejection, package: Package, to_tag: SmolStr) -> Decision {
        Decision::reply(refusal(rejection, package).into_reply(self.transaction, to_tag))
    }
}

/// Reads Event; a missing or unknown one is 489 (RFC 6665 §4.2.1.1).
fn event(request: &Request<'_>) -> Result<(Package, SmolStr), Refusal> {
    let value = request.header(HeaderId::EVENT).ok_or_else(Refusal::bad_event)?;
    let event = Event::parse(value).map_err(|_| Refusal::new(400, "Malformed Event"))?;
    let package = Package::of(event.package).ok_or_else(Refusal::bad_event)?;
    Ok((package, event.id.unwrap_or_default().into()))
}

/// Where a watcher is, and on which device.
struct Contact {
    uri: SmolStr,
    /// `+sip.instance` (RFC 5626 §4.1), empty for none.
    instance: SmolStr,
}

/// Reads the one Contact a dialog-creating request has (RFC 3261 §8.1.1.8).
fn contact(request: &Request<'_>) -> Result<Option<Contact>, Refusal> {
    let mut contacts = List::of_all(request.message().headers(HeaderId::CONTACT));
    let Some(first) = contacts.next() else { return Ok(None) };
    if contacts.next().is_some() {
        return Err(Refusal::new(400, "More than one Contact"));
    }
    let malformed = || Refusal::new(400, "Malformed Contact");
    let contact = NameAddr::parse(first).map_err(|_| malformed())?;
    // It becomes the Request-URI of NOTIFYs, and that has no headers (RFC 3261 §19.1.1).
    if !Uri::parse(contact.uri).is_ok_and(|uri| uri.is_sip() && uri.headers.is_empty()) {
        return Err(malformed());
    }
    let instance = contact.params.get(b"+sip.instance").map(|instance| instance.unquoted());
    let instance = text(instance.as_deref().unwrap_or_default(), "+sip.instance")?.into();
    Ok(Some(Contact { uri: text(contact.uri, "Contact")?.into(), instance }))
}

/// Reads Record-Route: each becomes a Route of NOTIFYs, and the first of them perhaps the Request-URI (RFC 3261 §12.2.1.1).
fn route_set(request: &Request<'_>) -> Result<SmolStr, Refusal> {
    let values: Vec<_> = List::of_all(request.message().headers(HeaderId::RECORD_ROUTE)).collect();
    let joined = values.join(&b","[..]);
    let is_route = |route| NameAddr::parse(route).is_ok_and(|route| route.parse_uri().is_ok_and(|uri| uri.is_sip()));
    // A quote that one of them leaves open would swallow the next.
    if !List::new(&joined).all(is_route) || List::new(&joined).count() != values.len() {
        return Err(Refusal::new(400, "Malformed Record-Route"));
    }
    Ok(text(&joined, "Record-Route")?.into())
}

fn is_acceptable(request: &Request<'_>, package: Package) -> bool {
    accept::admits(request.message().headers(HeaderId::ACCEPT), package.media_type())
}

/// Refuses a body nobody here understands (RFC 3261 §8.2.3). A filter is understood, and ignored: RFC 3856 §6.3 lets a
/// presence agent.
fn refuse_body(request: &Request<'_>) -> Result<(), Refusal> {
    let is_filter = |value| is_media_type(value, FILTER);
    if request.message().body().is_empty()
        || request.message().is_body_optional()
        || request.header(HeaderId::CONTENT_TYPE).is_some_and(is_filter)
    {
        return Ok(());
    }
    Err(Refusal::new(415, "").with_header("Accept", FILTER).with_header("Accept-Encoding", "identity"))
}

/// RFC 4661.
const FILTER: &str = "application/simple-filter+xml";

/// Names the watcher; a telephone number has no domain.
fn watcher_of(uri: &Uri<'_>) -> Result<UserAtDomain, Refusal> {
    if let Some(aor) = uri.aor() {
        return Ok(UserAtDomain::new(aor.user, aor.host));
    }
    Ok(UserAtDomain::new(text(uri.user.unwrap_or_default(), "From")?, text(uri.host, "From")?.to_ascii_lowercase()))
}

fn accept_header(request: &Request<'_>) -> Result<SmolStr, Refusal> {
    let values: Vec<_> = request.message().headers(HeaderId::ACCEPT).collect();
    Ok(text(&values.join(&b", "[..]), "Accept")?.into())
}

fn user_agent(request: &Request<'_>) -> SmolStr {
    lenient_text(request.header(HeaderId::USER_AGENT).unwrap_or_default(), USER_AGENT_BYTES_MAX)
}

fn socket(request: &Request<'_>) -> Option<TransportAddress> {
    Some(TransportAddress { transport: request.transport(), address: request.local().get()? })
}

fn source(request: &Request<'_>) -> Option<TransportAddress> {
    Some(TransportAddress { transport: request.transport(), address: request.source().get()? })
}

/// Returns the source of a SUBSCRIBE whose Contact nobody outside its network can reach: the Contact is an address, not
/// the one it came from, and no proxy in between asked to stay in the path.
fn source_behind_nat(row: &SubscriptionRow, request: &Request<'_>) -> Option<TransportAddress> {
    source(request).filter(|_| row.route_set.is_empty() && is_elsewhere(&row.remote_target, request))
}

/// Returns whether a Contact is an address, and not the one a request came from.
fn is_elsewhere(contact: &str, request: &Request<'_>) -> bool {
    let target = Uri::parse(contact.as_bytes()).ok();
    let host = target.and_then(|target| std::str::from_utf8(target.host).ok());
    let address: Option<IpAddr> = host.and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    source(request).zip(address).is_some_and(|(source, address)| source.address.ip() != address)
}

fn no_such_dialog() -> Refusal {
    Refusal::new(481, "Subscription does not exist")
}

fn refusal(rejection: Rejection, package: Package) -> Refusal {
    match rejection {
        Rejection::Forbidden => Refusal::new(403, ""),
        Rejection::IntervalTooBrief { min_expires_s } => Refusal::interval_too_brief(min_expires_s),
        Rejection::NoRoom(bound) => Refusal::no_room(bound),
        Rejection::NoSuchDialog => no_such_dialog(),
        Rejection::NotAcceptable => Refusal::new(406, "").with_header("Accept", package.media_type()),
        Rejection::OutOfOrder => Refusal::new(500, "CSeq is not higher than the last"),
        Rejection::Undecidable => Refusal::from(NotNow::Unsettled),
        Rejection::TooManySubscriptions => Refusal::new(403, "Too many subscriptions in this dialog"),
    }
}
