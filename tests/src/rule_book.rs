//! The privacy rules in a server's database, written by another process than the server, and the moment they are in force.
//!
//! That moment is seen, not waited for: rules of a presentity of our own are written after the others, twice, and asked
//! for until the server goes by them. Who looks at the second has done with the look before.

use std::sync::Arc;
use std::time::Instant;

use crate::database::{Database, XcapDocument};
use crate::message::Message;
use crate::rules::{Rule, ruleset};
use crate::server::Server;
use crate::user_agent::{DEADLINE, Endpoint, RequestHandler, Violation, unique};

/// The presentity whose rules tell when the server has looked.
const PROBE: &str = "sip:rule-probe@pres.example";

/// A server's rules.
pub struct RuleBook<'s> {
    server: &'s Server,
    database: Database,
    table: String,
    doc_type: i32,
    probe: Endpoint,
}

/// Answers the one NOTIFY of a fetch, whatever it says.
struct Agreeable;

impl RequestHandler for Agreeable {
    fn on_request(&self, request: &Message, _complain: &dyn Fn(Vec<Violation>)) -> Option<Message> {
        Some(Message::response_to(request, 200))
    }
}

impl<'s> RuleBook<'s> {
    /// Opens the rules of a server that runs and answers for `pres.example`.
    pub fn open(server: &'s Server) -> Self {
        let probe = Endpoint::udp_with(server.udp_address(), Arc::new(Agreeable));
        Self { server, database: server.open_database(), table: "xcap_xml".into(), doc_type: 2, probe }
    }

    /// Writes to another table than `xcap_xml` from here on.
    #[must_use]
    pub fn with_table(mut self, table: &str) -> Self {
        self.table = table.into();
        self
    }

    /// Writes documents of another type than 2 from here on, where a test does not name one.
    #[must_use]
    pub fn with_type(mut self, doc_type: i32) -> Self {
        self.doc_type = doc_type;
        self
    }

    /// Gives `owner` these rules in the place of all it had under the name `index`, and waits until they are in force.
    pub fn set(&mut self, owner: &str, rules: &[Rule]) {
        self.write(owner, &ruleset(rules));
        self.settle();
    }

    /// Writes a document of `owner` under the name `index`; the server may not have seen it yet.
    pub fn write(&mut self, owner: &str, document: &str) {
        self.write_as(owner, self.doc_type, "index", document);
    }

    /// Writes a document of `owner` of any type and name; the server may not have seen it yet.
    pub fn write_as(&mut self, owner: &str, doc_type: i32, doc_uri: &str, document: &str) {
        let (user, domain) = user_and_domain(owner);
        self.database.put(&self.table, &XcapDocument { user, domain, doc_type, doc_uri, text: document });
    }

    /// Takes back what [`RuleBook::write`] wrote; the server may not have seen it yet.
    pub fn remove(&mut self, owner: &str) {
        let (user, domain) = user_and_domain(owner);
        let document = XcapDocument { user, domain, doc_type: self.doc_type, doc_uri: "index", text: "" };
        self.database.remove(&self.table, &document);
    }

    /// Has the server look at once. What comes of it is for the test to wait for.
    pub fn announce(&self) {
        self.server.look_at_database();
    }

    /// Waits until everything written is in force.
    pub fn settle(&mut self) {
        // Without a rule all are blocked; a rule without conditions fits all.
        self.settle_probe(&[], 403);
        self.settle_probe(&[Rule::allow("open")], 200);
    }

    fn settle_probe(&mut self, rules: &[Rule], expected: u16) {
        self.write(PROBE, &ruleset(rules));
        self.announce();
        let give_up = Instant::now() + DEADLINE;
        while self.fetch() != Some(expected) {
            assert!(Instant::now() < give_up, "the rules do not come into force\n{}", self.probe.ladder());
        }
    }

    /// Returns the answer to a fetch of the probe's presence.
    fn fetch(&self) -> Option<u16> {
        let request = Message::request("SUBSCRIBE", PROBE)
            .with("From", format!("<sip:rule-probe@watch.example>;tag={}", unique()))
            .with("To", format!("<{PROBE}>"))
            .with("Call-ID", unique())
            .with("CSeq", "1 SUBSCRIBE")
            .with("Contact", self.probe.contact("rule-probe"))
            .with("Event", "presence")
            .with("Expires", 0);
        self.probe.request(request).code()
    }
}

/// Takes a plain `sip:user@domain` apart.
fn user_and_domain(uri: &str) -> (&str, &str) {
    let address = uri.split_once(':').map_or(uri, |(_, address)| address);
    address.split_once('@').unwrap_or_else(|| panic!("{uri:?} is no sip:user@domain"))
}
