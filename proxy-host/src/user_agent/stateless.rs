//! Answers without a transaction (RFC 3261 §8.2.7): each says where its request was seen to come from (§18.2.1,
//! RFC 3581 §4), and goes where §18.2.2 has it.

use module_api::sip::message::Message;
use module_api::sip::via::Via;
use module_api::sip::writer::{ResponseHead, write_response};

use super::outbox::Outbox;
use super::wire::Wire;
use crate::transaction::answer::Answer;
use crate::transport::address::Peer;
use crate::transport::response_route::{Destination, response_route};

/// Appends an answer to `request`, which came from `peer`, to `out`; returns where it goes.
pub(crate) fn write_answer(
    out: &mut Vec<u8>,
    request: &Message<'_>,
    via: Option<&Via<'_>>,
    peer: Peer,
    head: &ResponseHead<'_>,
) -> Destination {
    let route = response_route(via, peer);
    let (received, rport) = (route.stamp.received, route.stamp.rport);
    write_response(out, request, &ResponseHead { received, rport, ..*head });
    route.destination
}

impl Wire {
    /// Answers a request that nothing but the host has seen; where no tag is given, with one that is the same for each
    /// copy.
    pub(crate) fn answer(
        &self,
        request: &Message<'_>,
        via: Option<&Via<'_>>,
        peer: Peer,
        head: ResponseHead<'_>,
        outbox: &mut Outbox,
    ) {
        let minted = self.to_tags.mint(request);
        let to_tag = if head.to_tag.is_empty() { &minted } else { head.to_tag };
        let start = outbox.bytes.len();
        let destination = write_answer(&mut outbox.bytes, request, via, peer, &ResponseHead { to_tag, ..head });
        outbox.post(destination, start, self.now());
    }

    /// Answers a copy of a request as the request was answered.
    pub(crate) fn answer_again(
        &self,
        copy: &Message<'_>,
        via: &Via<'_>,
        peer: Peer,
        answer: &Answer,
        outbox: &mut Outbox,
    ) {
        let route = response_route(Some(via), peer);
        let start = outbox.bytes.len();
        answer.render(&mut outbox.bytes, copy, route.stamp);
        outbox.post(route.destination, start, self.now());
    }
}
