//! An event publication agent (RFC 3903 §4): it publishes for one presentity and remembers its entity-tag.

use std::net::SocketAddr;

use super::endpoint::{Endpoint, unique};
use crate::message::Message;
use crate::pidf;
use crate::server::{Server, Transport};

/// One device of a presentity.
pub struct Publisher {
    /// Its socket, for what the methods below do not cover.
    pub endpoint: Endpoint,
    presentity: String,
    call_id: String,
    tag: String,
    cseq: u32,
    expires_s: u32,
    entity_tag: Option<String>,
}

impl Publisher {
    /// Publishes for `presentity` over UDP.
    pub fn udp(server: SocketAddr, presentity: &str) -> Self {
        Self::on(Endpoint::udp(server), presentity)
    }

    /// Publishes for `presentity` over TCP.
    pub fn tcp(server: SocketAddr, presentity: &str) -> Self {
        Self::on(Endpoint::tcp(server), presentity)
    }

    /// Publishes for `presentity` over `transport`.
    pub fn over(transport: Transport, server: &Server, presentity: &str) -> Self {
        match transport {
            Transport::Tcp => Self::tcp(server.tcp_address(), presentity),
            Transport::Udp => Self::udp(server.udp_address(), presentity),
        }
    }

    fn on(endpoint: Endpoint, presentity: &str) -> Self {
        let (call_id, tag) = (unique(), unique());
        Self { endpoint, presentity: presentity.into(), call_id, tag, cseq: 0, expires_s: 3600, entity_tag: None }
    }

    /// Asks for `expires_s` from the next request on.
    #[must_use]
    pub fn expiring(mut self, expires_s: u32) -> Self {
        self.expires_s = expires_s;
        self
    }

    /// Publishes anew: what an earlier publication left is forgotten.
    pub fn publish(&mut self, body: &str) -> Message {
        self.entity_tag = None;
        let request = self.next_request().with_body(pidf::CONTENT_TYPE, body);
        self.request(request)
    }

    /// Prolongs the publication.
    pub fn refresh(&mut self) -> Message {
        let request = self.next_request();
        self.request(request)
    }

    /// Replaces what is published.
    pub fn modify(&mut self, body: &str) -> Message {
        let request = self.next_request().with_body(pidf::CONTENT_TYPE, body);
        self.request(request)
    }

    /// Takes the publication back.
    pub fn remove(&mut self) -> Message {
        let request = self.next_request().set("Expires", 0);
        let response = self.request(request);
        self.entity_tag = None;
        response
    }

    /// Builds the next request, without a body and without Via, for a test to change.
    pub fn next_request(&mut self) -> Message {
        self.cseq += 1;
        let request = Message::request("PUBLISH", &self.presentity)
            .with("From", format!("<{}>;tag={}", self.presentity, self.tag))
            .with("To", format!("<{}>", self.presentity))
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{} PUBLISH", self.cseq))
            .with("Event", "presence")
            .with("Expires", self.expires_s);
        match &self.entity_tag {
            Some(tag) => request.with("SIP-If-Match", tag),
            None => request,
        }
    }

    /// Sends a request and returns its final response.
    pub fn request(&mut self, request: Message) -> Message {
        let request = self.endpoint.send(request);
        self.answer_to(&request)
    }

    /// Waits for the answer to a request that was sent, and remembers the entity-tag of a 200.
    pub fn answer_to(&mut self, request: &Message) -> Message {
        let response = self.endpoint.final_response(request);
        if response.code() == Some(200) {
            self.entity_tag = response.get("SIP-ETag").map(str::to_owned);
        }
        response
    }

    /// Returns the entity-tag of the publication.
    ///
    /// # Panics
    /// If there is none.
    pub fn entity_tag(&self) -> &str {
        self.entity_tag.as_deref().unwrap_or_else(|| panic!("nothing is published\n{}", self.endpoint.ladder()))
    }

    /// Claims another entity-tag for the next request.
    pub fn pretend_entity_tag(&mut self, tag: &str) {
        self.entity_tag = Some(tag.to_owned());
    }

    /// Fails the test if the server broke a promise.
    pub fn finish(self) {
        self.endpoint.finish();
    }
}
