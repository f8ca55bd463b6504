//! What is measured, one phase after the other, on a server of its own.

use std::fmt;
use std::time::Duration;

use super::generator::{Generator, Sent, measured};
use crate::server::{Options, Server, with_setting};

/// One line of the result.
pub struct Row {
    /// What was done.
    pub work: String,
    /// How many requests were unanswered at most.
    pub window: usize,
    /// How often.
    pub operations: usize,
    /// The server's CPU for all of it.
    pub cpu: Duration,
    /// The time it took.
    pub elapsed: Duration,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_operation = self.cpu.as_secs_f64() * 1e6 / self.operations as f64;
        let rate = self.operations as f64 / self.elapsed.as_secs_f64();
        write!(f, "| {:<42} | {:>6} | {per_operation:>9.1} | {rate:>9.0} |", self.work, self.window)
    }
}

/// Runs all phases with `window` requests in flight over `presentities` users, and `watchers` of one user.
pub fn run(window: usize, presentities: usize, watchers: usize, mut report: impl FnMut(&Row)) {
    // The generator tells the server's tags from its own by their first letter.
    let server = Server::start(&with_setting("modparam(\"presence\", \"to_tag_pref\", \"s\")"), Options::default());
    let id = server.process_id();
    let mut generator = Generator::new(server.udp_address(), presentities.max(watchers) + 1);
    let mut phase = |work: &str, count: usize, per: usize, generator: &mut Generator, write: &Write| {
        let (seen, cpu, elapsed) = measured(id, || generator.run(count, window, write));
        assert_eq!(seen.answered, count, "{work}");
        report(&Row { work: work.into(), window, operations: count * per, cpu, elapsed });
    };
    phase("PUBLISH initial", presentities, 1, &mut generator, &|_, user, number| {
        publish(user, number, "", Some("a"), 0)
    });
    let refresh: &Write = &|generator, user, number| publish(user, number, &generator.entity_tags[user], None, 0);
    phase("PUBLISH refresh", presentities, 1, &mut generator, refresh);
    let subscribe_to: &Write = &|generator, user, number| subscribe(generator, user, user, number, "");
    phase("SUBSCRIBE initial, its NOTIFY", presentities, 1, &mut generator, subscribe_to);
    let modify: &Write = &|generator, user, number| publish(user, number, &generator.entity_tags[user], Some("b"), 1);
    phase("PUBLISH modify, 1 NOTIFY", presentities, 1, &mut generator, modify);
    let resubscribe: &Write = &|generator, user, number| {
        let tag = format!(";tag={}", generator.dialogs[&user].to_tag);
        subscribe(generator, user, user, number, &tag)
    };
    phase("SUBSCRIBE refresh, its NOTIFY", presentities, 1, &mut generator, resubscribe);
    fan_out(&mut generator, window, presentities, watchers, id, &mut report);
}

type Write = dyn Fn(&Generator, usize, usize) -> (Vec<u8>, Sent);

/// One user, many watchers: the user publishes again and again, each time when all watchers have been told.
fn fan_out(
    generator: &mut Generator,
    window: usize,
    presentities: usize,
    watchers: usize,
    id: u32,
    report: &mut impl FnMut(&Row),
) {
    const ROUNDS: usize = 20;
    let star = presentities;
    generator.run(1, 1, |_, _, number| publish(star, number, "", Some("start"), 0));
    generator
        .run(watchers, window, |generator, at, number| subscribe(generator, presentities + 1 + at, star, number, ""));
    let (seen, cpu, elapsed) = measured(id, || {
        let mut total = 0;
        for round in 0..ROUNDS {
            let note = format!("round {round}");
            let seen = generator.run(1, 1, |generator, _, number| {
                publish(star, number, &generator.entity_tags[star], Some(&note), watchers)
            });
            total += seen.notified;
            let told = |at: usize| generator.dialogs[&(presentities + 1 + at)].document.as_slice();
            assert!((0..watchers).all(|at| told(at).windows(note.len()).any(|part| part == note.as_bytes())), "{note}");
        }
        total
    });
    let work = format!("NOTIFY, 1 presentity × {watchers} watchers");
    report(&Row { work, window, operations: seen, cpu, elapsed });
}

fn publish(user: usize, number: usize, tag: &str, note: Option<&str>, notifies: usize) -> (Vec<u8>, Sent) {
    let condition = if tag.is_empty() { String::new() } else { format!("SIP-If-Match: {tag}\r\n") };
    let body = note.map(document).unwrap_or_default();
    let content = if body.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" };
    let message = format!(
        "PUBLISH sip:user{user}@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKload-{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:user{user}@pres.example>;tag=p\r\nTo: <sip:user{user}@pres.example>\r\n\
         Call-ID: publish-{user}\r\nCSeq: {number} PUBLISH\r\nEvent: presence\r\nExpires: 3600\r\n{condition}{content}\
         User-Agent: load\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    (message.into_bytes(), Sent { subject: user, notifies })
}

fn subscribe(generator: &Generator, dialog: usize, user: usize, number: usize, to_tag: &str) -> (Vec<u8>, Sent) {
    let contact = generator.address();
    let message = format!(
        "SUBSCRIBE sip:user{user}@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP {contact};rport;branch=z9hG4bKload-{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:watcher{dialog}@pres.example>;tag=w{dialog}\r\n\
         To: <sip:user{user}@pres.example>{to_tag}\r\nCall-ID: load-{dialog}\r\nCSeq: {number} SUBSCRIBE\r\n\
         Contact: <sip:watcher{dialog}@{contact}>\r\nEvent: presence\r\nAccept: application/pidf+xml\r\nExpires: 3600\r\n\
         User-Agent: load\r\nContent-Length: 0\r\n\r\n"
    );
    (message.into_bytes(), Sent { subject: dialog, notifies: 1 })
}

/// A document as a softphone publishes it, about 600 bytes.
fn document(note: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
         entity=\"sip:user@pres.example\">\n<tuple id=\"t4109\"><status><basic>open</basic></status>\
         <contact priority=\"0.8\">sip:user@192.0.2.7:5060</contact><note>{note}</note>\
         <timestamp>2026-01-01T00:00:00Z</timestamp></tuple>\n<dm:person id=\"p7\"><rpid:activities><rpid:busy/>\
         </rpid:activities><dm:note>{note}</dm:note></dm:person>\n</presence>\n"
    )
}
