//! How inputs that are made of parts are changed: a part at a time, as libFuzzer changes whole inputs, and parts against each other.
//!
//! The steps of the target `server` are drawn too: what a phone would send is found by no chance in reasonable time.

use libfuzzer_sys::fuzzer_mutate;

use crate::chance::Chance;
use crate::targets::{SEPARATOR, parts};

/// What is changed.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Shape {
    /// Bytes.
    Plain,
    /// Parts.
    Parts,
    /// Rules, then steps.
    Steps,
}

/// Changes the first `size` of the bytes in `data`, and returns how many are to count.
pub(crate) fn mutate(shape: Shape, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut chance = Chance::of(seed.into());
    if shape == Shape::Plain || chance.permille(150) {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut changed: Vec<_> = parts(&data[..size]).map(<[u8]>::to_vec).collect();
    let at = chance.index(changed.len());
    match chance.below(8) {
        0 => drop(changed.remove(at)),
        1 => {
            let to = chance.index(changed.len());
            changed.swap(at, to);
        }
        2 => {
            let to = chance.index(changed.len() + 1);
            changed.insert(to, changed[at].clone());
        }
        3..6 if shape == Shape::Steps => changed.insert((at + 1).min(changed.len()), step(&mut chance)),
        _ => change(&mut changed[at], max_size),
    }
    let joined = changed.join(&SEPARATOR);
    let size = joined.len().min(max_size);
    data[..size].copy_from_slice(&joined[..size]);
    size
}

fn change(part: &mut Vec<u8>, max_size: usize) {
    let size = part.len();
    part.resize(max_size.max(size), 0);
    let size = fuzzer_mutate(part, size, max_size.max(size));
    part.truncate(size);
}

/// Draws what may happen to a server.
fn step(chance: &mut Chance) -> Vec<u8> {
    let text = match chance.below(10) {
        0..2 => publish(chance),
        2..5 => subscribe(chance),
        5..8 => answer(chance),
        8 => format!("+{}", chance.pick(&[1, 2, 3, 5, 33, 61, 95])),
        _ => match chance.pick(b"abdfknprs") {
            b'r' => format!("!r{}", rules(chance)),
            b'p' => "!p-open-".into(),
            mishap => format!("!{}", char::from(mishap)),
        },
    };
    text.into_bytes()
}

const USERS: [&str; 3] = ["dana", "ben", "eli"];

/// Begins a request from `from` to `to` that few others are like.
fn request(method: &str, to: &str, from: &str, chance: &mut Chance) -> String {
    let (branch, call, cseq) = (chance.below(1000), chance.below(3), chance.between(1, 9));
    let tag = chance.pick(&["", "", ";tag={tag}"]);
    format!(
        "{method} sip:{to}@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\n\
         From: <sip:{from}@pres.example>;tag=f{call}\r\nTo: <sip:{to}@pres.example>{tag}\r\nCall-ID: {from}{call}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:{from}@192.0.2.1>\r\nExpires: {}\r\n",
        chance.pick(&[60, 60, 60, 2, 0, 600])
    )
}

fn publish(chance: &mut Chance) -> String {
    let user = chance.pick(&USERS);
    let request = request("PUBLISH", user, user, chance);
    let condition =
        chance.pick(&["", "SIP-If-Match: {etag}\r\n", "SIP-If-Match: {etag}\r\n", "SIP-If-Match: other\r\n"]);
    let (number, basic) = (chance.below(4), chance.pick(&["open", "closed"]));
    let document = format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:{user}@pres.example\"><tuple id=\"t{number}\"><status>\
         <basic>{basic}</basic></status><contact>sip:-{basic}-@192.0.2.{number}</contact><note>n{number}</note></tuple></presence>"
    );
    let body = match chance.below(4) {
        0 => "\r\n".into(),
        _ => format!("Content-Type: application/pidf+xml\r\n\r\n{document}"),
    };
    format!("{request}Event: presence\r\n{condition}{body}")
}

fn subscribe(chance: &mut Chance) -> String {
    let (to, from) = (chance.pick(&["dana", "dana", "ben"]), chance.pick(&USERS));
    let request = request("SUBSCRIBE", to, from, chance);
    format!("{request}Event: {}\r\n\r\n", chance.pick(&["presence", "presence", "presence.winfo", "presence;id=2"]))
}

fn answer(chance: &mut Chance) -> String {
    let code = chance.pick(&[200, 200, 200, 200, 200, 202, 403, 481, 500, 503]);
    let pause = chance.pick(&["", "", "Retry-After: 2\r\n"]);
    format!(
        "SIP/2.0 {code} So\r\nVia: SIP/2.0/UDP 192.0.2.99:5060;branch={{branch}}\r\nFrom: <sip:dana@pres.example>;tag=x\r\n\
         To: <sip:ben@pres.example>;tag=f\r\nCall-ID: ben\r\nCSeq: 1 NOTIFY\r\n{pause}\r\n"
    )
}

fn rules(chance: &mut Chance) -> String {
    let identity = chance.pick(&[
        "",
        "<cr:conditions><cr:identity><cr:many/></cr:identity></cr:conditions>",
        "<cr:conditions><cr:identity><cr:one id=\"sip:ben@pres.example\"/></cr:identity></cr:conditions>",
        "<cr:conditions><cr:sphere value=\"work\"/></cr:conditions>",
        "<cr:conditions><cr:validity><cr:from>2025-06-15T15:06:00Z</cr:from><cr:until>2025-06-15T15:07:30Z</cr:until>\
         </cr:validity></cr:conditions>",
    ]);
    let handling = chance.pick(&["allow", "allow", "block", "polite-block", "confirm"]);
    let shown =
        chance.pick(&["<provide-services><all-services/></provide-services>", "<provide-note>true</provide-note>"]);
    format!(
        "<cr:ruleset xmlns=\"urn:ietf:params:xml:ns:pres-rules\" xmlns:cr=\"urn:ietf:params:xml:ns:common-policy\">\
         <cr:rule id=\"a\">{identity}<cr:actions><sub-handling>{handling}</sub-handling></cr:actions>\
         <cr:transformations>{shown}</cr:transformations></cr:rule></cr:ruleset>"
    )
}
