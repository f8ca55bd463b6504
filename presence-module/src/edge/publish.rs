//! PUBLISH (RFC 3903 §6): the request taken apart, its rejections as responses.

use std::sync::Arc;

use module_api::abi::{CallResult, Request};
use module_api::sip::header::HeaderId;
use smol_str::SmolStr;

use super::core::Core;
use super::request::{Handled, Incoming, Refusal, requested_expires, to_tag_of_script, uri_of_argument};
use crate::document::pidf::Pidf;
use crate::document::xml::Limits;
use crate::effect::{Created, Creation, Decision, Reply};
use crate::headers::accept::is_media_type;
use crate::headers::entity_tag::EntityTag;
use crate::headers::event::Event;
use crate::limits::Bound;
use crate::package::Package;
use crate::presentity::Presentity;
use crate::presentity_uri::UserAtDomain;
use crate::publication::{Condition, PublishRequest, Published, PublishedBody, Rejection};
use crate::tag::Minted;

impl Core {
    /// Handles a PUBLISH of `sender`, where the script names one; the answer follows once what it did is durable.
    pub(super) fn handle_publish(&self, request: &Request<'_>, sender: Option<&[u8]>) -> CallResult {
        self.metrics.count(self.metrics.publishes);
        self.finish(request, self.publish(request, sender))
    }

    fn publish(&self, request: &Request<'_>, sender: Option<&[u8]>) -> Result<Handled, Refusal> {
        let incoming = Incoming::read(request)?;
        let presentity = incoming.presentity(self)?;
        let minted = incoming.mint(self, &presentity);
        let sender = sender.and_then(uri_of_argument).and_then(|uri| uri.aor());
        let sender = sender.map(|sender| Box::new(UserAtDomain::new(sender.user, sender.host)));
        let publish = PublishRequest { sender, ..self.take_apart(request, &minted) };
        let to_tag = to_tag_of_script(request).unwrap_or(minted.to_tag);
        let mut is_accepted = false;
        self.step(&presentity, |presentity, now| {
            let result = presentity.on_publish(&publish, &self.settings.policy, now);
            result.as_ref().err().and_then(bound).into_iter().for_each(|bound| self.ceilings.count(bound));
            is_accepted = result.is_ok();
            match result {
                Ok(published) => accepted(presentity, published, request.transaction(), to_tag.clone()),
                Err(rejection) => Decision::reply(refusal(rejection).into_reply(request.transaction(), to_tag.clone())),
            }
        })?;
        Ok(Handled { to_tag, is_accepted })
    }

    fn take_apart(&self, request: &Request<'_>, minted: &Minted) -> PublishRequest {
        let event = request.header(HeaderId::EVENT).and_then(|value| Event::parse(value).ok());
        let package = event.and_then(|event| Package::of(event.package)).filter(|package| package.is_published());
        PublishRequest {
            package,
            condition: condition(request),
            expires: requested_expires(request),
            body: package.map_or(PublishedBody::None, |package| body(request, package, &self.settings.documents)),
            entity_tag: minted.entity_tag.clone(),
            id: self.next_publication_id(),
            no_room: self.ceilings.no_publication(),
            sender: None,
        }
    }
}

fn condition(request: &Request<'_>) -> Condition {
    match EntityTag::from_if_match(request.message().headers(HeaderId::SIP_IF_MATCH)) {
        Ok(None) => Condition::Absent,
        Ok(Some(tag)) => Condition::Matches(tag.as_str().into()),
        Err(_) => Condition::Malformed,
    }
}

fn body(request: &Request<'_>, package: Package, limits: &Limits) -> PublishedBody {
    let body = request.message().body();
    if body.is_empty() {
        return PublishedBody::None;
    }
    let is_plain =
        request.header(HeaderId::CONTENT_ENCODING).is_none_or(|value| value.eq_ignore_ascii_case(b"identity"));
    let has_type = |value| is_media_type(value, package.media_type());
    if !is_plain || !request.header(HeaderId::CONTENT_TYPE).is_some_and(has_type) {
        // What need not be understood is passed over (RFC 3261 §20.11).
        let is_optional = request.message().is_body_optional();
        return if is_optional { PublishedBody::None } else { PublishedBody::UnsupportedType };
    }
    match (Pidf::read(body, limits), std::str::from_utf8(body)) {
        (Ok(_), Ok(text)) => PublishedBody::Document(Arc::from(text)),
        (Err(malformed), _) => match malformed.bound() {
            Some(bound) => PublishedBody::TooLarge(bound, malformed.to_string()),
            None => PublishedBody::Malformed(malformed.to_string()),
        },
        (_, Err(_)) => PublishedBody::Malformed("The document is not UTF-8".into()),
    }
}

fn accepted(presentity: &Presentity, published: Published, transaction: u64, to_tag: SmolStr) -> Decision {
    let Published { change, entity_tag, expires_s, created } = published;
    let headers = format!("Expires: {expires_s}\r\nSIP-ETag: {entity_tag}\r\n").into_bytes();
    let what = created.map(|id| Creation::Publication { id, entity_tag });
    let created = what.map(|what| Created { presentity: presentity.uri().clone(), what });
    let reply = Reply { created, ..Reply::ok(transaction, to_tag, headers) };
    Decision { changes: change.into_iter().collect(), ..Decision::reply(reply) }
}

/// Returns the bound that a refusal is about.
fn bound(rejection: &Rejection) -> Option<Bound> {
    match rejection {
        Rejection::NoRoom(bound) | Rejection::TooLarge(bound, _) => Some(*bound),
        _ => None,
    }
}

fn refusal(rejection: Rejection) -> Refusal {
    match rejection {
        Rejection::BadEvent => Refusal::bad_event(),
        Rejection::MalformedCondition => Refusal::new(400, "SIP-If-Match must be one entity-tag"),
        Rejection::ConditionalRequestFailed => Refusal::new(412, ""),
        Rejection::IntervalTooBrief { min_expires_s } => Refusal::interval_too_brief(min_expires_s),
        Rejection::UnsupportedMediaType => Refusal::unsupported_media_type(Package::Presence),
        Rejection::MalformedBody(reason) => Refusal::new(400, reason),
        Rejection::TooLarge(bound, reason) => Refusal::new(bound.answer().0, reason),
        Rejection::NoRoom(bound) => Refusal::no_room(bound),
        Rejection::NothingToPublish => Refusal::new(400, "Neither a body nor SIP-If-Match"),
    }
}
