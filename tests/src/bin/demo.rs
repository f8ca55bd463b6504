//! Plays one presentity with two devices and three watchers against a server of its own, and prints every message.

use tests::message::Message;
use tests::server::Server;
use tests::user_agent::{Notification, Publisher, Watcher};

/// Somebody who watches, and what they have seen.
struct Person {
    name: &'static str,
    watcher: Watcher,
    seen: Vec<String>,
}

const DANA: &str = "sip:dana@pres.example";

fn main() {
    let server = Server::quickstart();
    println!("\nThe server listens on udp:{} and tcp:{}.", server.udp_address(), server.tcp_address());
    let udp = server.udp_address();
    let person = |name, watcher| Person { name, watcher, seen: Vec::new() };
    let mut people = [
        person("eli (UDP)", Watcher::udp(udp, DANA, "sip:eli@pres.example")),
        person("fay (UDP)", Watcher::udp(udp, DANA, "sip:fay@other.example")),
        person("gus (TCP)", Watcher::tcp(server.tcp_address(), DANA, "sip:gus@pres.example")),
    ];
    let (mut desk, mut cell) = (Publisher::udp(udp, DANA), Publisher::tcp(server.tcp_address(), DANA));

    act("Three people want to know when Dana is there. Nothing is published yet.");
    for person in &mut people {
        request(person.name, "SUBSCRIBE", &person.watcher.subscribe(600));
        person.notified();
    }
    act("Dana's desk phone comes online.");
    request("desk phone", "PUBLISH initial", &desk.publish(&document("desk", "open", "at my desk")));
    people.iter_mut().for_each(Person::notified);
    act("Her cell phone too: one document, two tuples.");
    request("cell phone", "PUBLISH initial", &cell.publish(&document("cell", "open", "reachable")));
    people.iter_mut().for_each(Person::notified);
    act("The desk phone refreshes. Its entity-tag changes, its state does not: nobody is notified.");
    request("desk phone", "PUBLISH refresh", &desk.refresh());
    act("Dana goes to lunch.");
    request("desk phone", "PUBLISH modify", &desk.modify(&document("desk", "closed", "at lunch")));
    people.iter_mut().for_each(Person::notified);
    act("Fay has seen enough.");
    let [eli, fay, gus] = &mut people;
    request(fay.name, "SUBSCRIBE Expires: 0", &fay.watcher.unsubscribe());
    fay.notified();
    act("The desk phone leaves, then the cell phone: the last one leaves a closed document.");
    request("desk phone", "PUBLISH Expires: 0", &desk.remove());
    [&mut *eli, &mut *gus].into_iter().for_each(Person::notified);
    request("cell phone", "PUBLISH Expires: 0", &cell.remove());
    [eli, gus].into_iter().for_each(Person::notified);

    println!("\nWhat each watcher saw, in order\n");
    for person in people {
        println!("  {:<11} {}", person.name, person.seen.join("  →  "));
        person.watcher.finish();
    }
    println!(
        "\nEvery NOTIFY had the next CSeq, none was sent while another was unanswered, and every document was valid."
    );
}

impl Person {
    /// Waits for the next NOTIFY, prints it, and remembers what it showed.
    fn notified(&mut self) {
        let notification = self.watcher.next_notification();
        let state = notification.message.get("Subscription-State").unwrap_or_default();
        let what = format!("NOTIFY {} {state}", notification.cseq());
        println!("  {:<11} ◀─ {what:<38} {}", self.name, view(&notification));
        println!("  {:<11} ── 200 ─▶ server", self.name);
        self.seen.push(view(&notification));
    }
}

fn act(what: &str) {
    println!("\n{what}\n");
}

fn request(who: &str, what: &str, response: &Message) {
    println!("  {who:<11} ── {what:<22} ─▶ server");
    let details = ["SIP-ETag", "Expires"].iter().filter_map(|name| Some(format!("{name}: {}", response.get(name)?)));
    let code = response.code().unwrap_or_default();
    println!("  {who:<11} ◀─ {code} {}", details.collect::<Vec<_>>().join(", "));
}

/// What a lamp and a line of text would show.
fn view(notification: &Notification) -> String {
    let Some(presence) = &notification.presence else { return "(no document)".into() };
    let tuple = |tuple: &tests::pidf::Tuple| {
        let lamp = if tuple.basic.as_deref() == Some("open") { "●" } else { "○" };
        format!("{lamp} {}", tuple.notes.join(", ")).trim_end().to_owned()
    };
    presence.tuples.iter().map(tuple).collect::<Vec<_>>().join(" | ")
}

fn document(id: &str, basic: &str, note: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{DANA}\">\
         <tuple id=\"{id}\"><status><basic>{basic}</basic></status><contact>sip:dana@pres.example;gr={id}</contact>\
         <note>{note}</note></tuple></presence>"
    )
}
