//! SUBSCRIBE (RFC 6665 §4.2.1): the request taken apart, its rejections as responses.

use std::sync::Arc;

use module_api::abi::{CallResult, Request, Transport};
use module_api::sip::header::HeaderId;
use module_api::sip::list::List;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::uri::Uri;
use smol_str::SmolStr;

use super::core::Core;
use super::request::{Handled, Incoming, Refusal, requested_expires, text, to_tag_of_script};
use crate::change::{Status, SubscriptionRow, TransportAddress};
use crate::dialog::DialogKey;
use crate::effect::{Created, Creation, Decision, Reply};
use crate::headers::accept;
use crate::headers::event::Event;
use crate::package::Package;
use crate::presentity_uri::{PresentityUri, UserAtDomain};
use crate::subscription::{InitialSubscribe, RefreshSubscribe, Rejection, Subscribed};

/// What of a User-Agent is kept, in bytes.
const USER_AGENT_BYTES_MAX: usize = 256;

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
        let remote_target = contact(request)?.ok_or_else(|| Refusal::new(400, "Missing Contact"))?;
        refuse_unproducible(request, package)?;
        let minted = incoming.mint(self, &presentity);
        let to_tag = to_tag_of_script(request).unwrap_or(minted.to_tag);
        let dialog =
            DialogKey::of(incoming.call_id.as_bytes(), to_tag.as_bytes(), incoming.from.tag().unwrap_or_default());
        let mut row = row(incoming, &presentity, package, event_id, remote_target)?;
        row.key = dialog.subscription(&row.event, &row.event_id);
        (row.local_tag, row.watcher_id) = (to_tag.clone(), minted.entity_tag);
        row.received = self.settings.follows_source.then(|| source_behind_nat(&row, request)).flatten();
        let (key, expires, flow) = (row.key, requested_expires(request), request.flow());
        let subscribe = InitialSubscribe { package, row, expires, flow };
        self.step(&presentity, |presentity, now| {
            let subscribed = presentity.on_subscribe(dialog, subscribe, self.settings.subscribe, now);
            let created = subscribed
                .is_new
                .then(|| Created { presentity: presentity.uri().clone(), what: Creation::Subscription(key) });
            accepted(subscribed, request.transaction(), to_tag.clone(), created)
        })?;
        Ok(Handled { to_tag, is_accepted: true })
    }

    fn refresh(&self, incoming: &Incoming<'_>, local_tag: &[u8]) -> Result<Handled, Refusal> {
        let request = incoming.request;
        let remote_tag = incoming.from.tag().unwrap_or_default();
        let dialog = DialogKey::of(incoming.call_id.as_bytes(), local_tag, remote_tag);
        let presentity = self.dialogs.find(dialog).ok_or_else(no_such_dialog)?;
        let (package, event_id) = event(request)?;
        refuse_unproducible(request, package)?;
        let remote_target = contact(request)?;
        let source = source(request);
        let refresh = |presentity: &crate::presentity::Presentity| {
            let behind_nat = presentity.dialog(dialog).and_then(|known| known.row.received);
            RefreshSubscribe {
                package,
                event_id,
                cseq: incoming.cseq,
                expires: requested_expires(request),
                remote_target,
                accept: accept_header(request),
                // Its address behind the NAT may have changed; that there is one has not.
                received: behind_nat.and(source),
                socket: socket(request),
                flow: request.flow(),
            }
        };
        let mut is_accepted = false;
        self.step(&presentity, |presentity, now| {
            let result = presentity.on_refresh(dialog, refresh(presentity), self.settings.subscribe, now);
            is_accepted = result.is_ok();
            match result {
                Ok(subscribed) => accepted(subscribed, request.transaction(), SmolStr::default(), None),
                Err(rejection) => {
                    Decision::reply(refusal(rejection).into_reply(request.transaction(), SmolStr::default()))
                }
            }
        })?;
        Ok(Handled { to_tag: SmolStr::default(), is_accepted })
    }
}

/// Reads Event; a missing or unknown one is 489 (RFC 6665 §4.2.1.1).
fn event(request: &Request<'_>) -> Result<(Package, SmolStr), Refusal> {
    let value = request.header(HeaderId::EVENT).ok_or_else(Refusal::bad_event)?;
    let event = Event::parse(value).map_err(|_| Refusal::new(400, "Malformed Event"))?;
    let package = Package::of(event.package).ok_or_else(Refusal::bad_event)?;
    Ok((package, event.id.unwrap_or_default().into()))
}

/// Reads the one Contact a dialog-creating request has (RFC 3261 §8.1.1.8).
fn contact(request: &Request<'_>) -> Result<Option<SmolStr>, Refusal> {
    let mut contacts = List::of_all(request.message().headers(HeaderId::CONTACT));
    let Some(first) = contacts.next() else { return Ok(None) };
    if contacts.next().is_some() {
        return Err(Refusal::new(400, "More than one Contact"));
    }
    let malformed = || Refusal::new(400, "Malformed Contact");
    let uri = NameAddr::parse(first).map_err(|_| malformed())?.uri;
    if !Uri::parse(uri).is_ok_and(|uri| uri.is_sip()) {
        return Err(malformed());
    }
    Ok(Some(text(uri, "Contact")?.into()))
}

fn refuse_unproducible(request: &Request<'_>, package: Package) -> Result<(), Refusal> {
    if accept::admits(request.message().headers(HeaderId::ACCEPT), package.media_type()) {
        return Ok(());
    }
    Err(Refusal::new(406, "").with_header("Accept", package.media_type()))
}

fn row(
    incoming: &Incoming<'_>,
    presentity: &Arc<PresentityUri>,
    package: Package,
    event_id: SmolStr,
    remote_target: SmolStr,
) -> Result<SubscriptionRow, Refusal> {
    let request = incoming.request;
    let watcher = Uri::parse(incoming.from.uri).map_err(|_| Refusal::new(400, "Malformed From"))?;
    // It is the From of every NOTIFY.
    Uri::parse(incoming.to.uri).map_err(|_| Refusal::new(400, "Malformed To"))?;
    let routes: Vec<_> = List::of_all(request.message().headers(HeaderId::RECORD_ROUTE)).collect();
    let local_contact = local_contact(request).ok_or_else(|| Refusal::new(500, "No local address"))?;
    Ok(SubscriptionRow {
        key: crate::change::SubscriptionKey([0; 16]),
        presentity: presentity.clone(),
        watcher: watcher_of(&watcher)?,
        event: SmolStr::new_static(package.name()),
        event_id,
        call_id: incoming.call_id.into(),
        local_tag: SmolStr::default(),
        remote_tag: text(incoming.from.tag().unwrap_or_default(), "From tag")?.into(),
        local_cseq: 0,
        remote_cseq: incoming.cseq,
        remote_target,
        route_set: text(&routes.join(&b","[..]), "Record-Route")?.into(),
        expires: 0,
        granted_s: 0,
        status: Status::Pending,
        version: 0,
        presentity_uri: text(request.request_uri(), "Request-URI")?.into(),
        local_uri: text(incoming.to.uri, "To")?.into(),
        remote_uri: text(incoming.from.uri, "From")?.into(),
        identity: text(request.identity().unwrap_or_default(), "The identity")?.into(),
        accept: accept_header(request),
        local_contact,
        received: None,
        socket: socket(request),
        user_agent: user_agent(request),
        watcher_id: SmolStr::default(),
        display_name: String::from_utf8_lossy(&incoming.from.display_text()).into(),
        subscribed_at: 0,
    })
}

/// Names the watcher; a telephone number has no domain.
fn watcher_of(uri: &Uri<'_>) -> Result<UserAtDomain, Refusal> {
    if let Some(aor) = uri.aor() {
        return Ok(UserAtDomain::new(aor.user, aor.host));
    }
    Ok(UserAtDomain::new(text(uri.user.unwrap_or_default(), "From")?, text(uri.host, "From")?.to_ascii_lowercase()))
}

fn accept_header(request: &Request<'_>) -> SmolStr {
    let values: Vec<_> = request.message().headers(HeaderId::ACCEPT).map(String::from_utf8_lossy).collect();
    values.join(", ").into()
}

fn user_agent(request: &Request<'_>) -> SmolStr {
    let text = String::from_utf8_lossy(request.header(HeaderId::USER_AGENT).unwrap_or_default());
    text[..text.floor_char_boundary(USER_AGENT_BYTES_MAX)].into()
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
    let source = source(request)?;
    let target = Uri::parse(row.remote_target.as_bytes()).ok()?;
    let host = std::str::from_utf8(target.host).ok()?.trim_matches(['[', ']']);
    let contact: std::net::IpAddr = host.parse().ok()?;
    (row.route_set.is_empty() && contact != source.address.ip()).then_some(source)
}

/// Returns the URI at which later requests of the dialog reach us: the listener this one came in on.
fn local_contact(request: &Request<'_>) -> Option<SmolStr> {
    let local = request.local().get()?;
    let transport = if request.transport() == Transport::TCP { ";transport=tcp" } else { "" };
    Some(smol_str::format_smolstr!("sip:{local}{transport}"))
}

fn accepted(subscribed: Subscribed, transaction: u64, to_tag: SmolStr, created: Option<Created>) -> Decision {
    let Subscribed { changes, expires_s, local_contact, .. } = subscribed;
    let headers = format!("Expires: {expires_s}\r\nContact: <{local_contact}>\r\n").into_bytes();
    let reply = Reply { mirror_record_route: true, created, ..Reply::ok(transaction, to_tag, headers) };
    Decision { changes, ..Decision::reply(reply) }
}

fn no_such_dialog() -> Refusal {
    Refusal::new(481, "Subscription does not exist")
}

fn refusal(rejection: Rejection) -> Refusal {
    match rejection {
        Rejection::NoSuchDialog => no_such_dialog(),
        Rejection::OutOfOrder => Refusal::new(500, "CSeq is not higher than the last"),
        Rejection::DialogSharing => Refusal::new(403, "Dialog sharing is not supported"),
    }
}
