//! What scanning one datagram costs: a 2 kB PUBLISH, a SUBSCRIBE, and the response to a NOTIFY.
//!
//! A PUBLISH has 0.3 µs. Run with `cargo bench -p module-api --bench scan`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use module_api::sip::message::{HeaderTable, scan};

fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    for (name, raw) in [("publish_2kb", publish()), ("subscribe", SUBSCRIBE.into()), ("notify_200", NOTIFY_200.into())]
    {
        let mut table = HeaderTable::new();
        assert_eq!(scan(raw.as_bytes(), &mut table).map(|message| message.defect()), Ok(None), "{name}");
        group.throughput(Throughput::Bytes(raw.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| scan(black_box(raw.as_bytes()), &mut table).map(|message| message.all_headers().len()));
        });
    }
    group.finish();
}

/// A PUBLISH of 14 headers whose PIDF document fills it up to 2 kB.
fn publish() -> String {
    let (before, after) = PIDF;
    let note = "At my desk until five, then on the train; try the mobile. ";
    let head_bytes = PUBLISH_HEAD.len() + "Content-Length: 1234\r\n\r\n".len();
    let notes = (2048 - head_bytes - before.len() - after.len()) / note.len();
    let body = [before, &note.repeat(notes), after].concat();
    format!("{PUBLISH_HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
}

const PUBLISH_HEAD: &str = "PUBLISH sip:dana@pres.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bK-524287-1---6d1c0f1a2b3c4d5e\r\n\
    Max-Forwards: 70\r\n\
    Allow: PUBLISH, SUBSCRIBE, NOTIFY, OPTIONS, MESSAGE\r\n\
    To: \"Dana\" <sip:dana@pres.example>\r\n\
    From: \"Dana\" <sip:dana@pres.example>;tag=7e1a9c35\r\n\
    Call-ID: 84c1e6a2f0b94d7f8f5be0c5d2a17b33@198.51.100.7\r\n\
    CSeq: 5 PUBLISH\r\n\
    Expires: 3600\r\n\
    Content-Type: application/pidf+xml\r\n\
    User-Agent: Softphone 5.19.1 release 90143\r\n\
    Event: presence\r\n\
    SIP-If-Match: a.1700000000.4711.2.1\r\n";

const PIDF: (&str, &str) = (
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
     <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
     xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:dana@pres.example\">\r\n\
     <tuple id=\"t4109\"><status><basic>open</basic></status>\
     <contact priority=\"0.8\">sip:dana@198.51.100.7:5070</contact><note>",
    "</note><timestamp>2024-03-01T09:30:47Z</timestamp></tuple>\r\n\
     <dm:person id=\"p1\"><rpid:activities><rpid:busy/></rpid:activities></dm:person>\r\n</presence>\r\n",
);

const SUBSCRIBE: &str = "SUBSCRIBE sip:dana@pres.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK776asdhds;rport\r\n\
    Via: SIP/2.0/TCP 192.0.2.33:50123;branch=z9hG4bKnashds8;received=203.0.113.77\r\n\
    Record-Route: <sip:203.0.113.9;lr;ftag=4fb2>\r\n\
    Max-Forwards: 69\r\n\
    From: <sip:ben@pres.example>;tag=4fb2\r\n\
    To: <sip:dana@pres.example>\r\n\
    Call-ID: 3c26700a5f1e-9y1qz0hx2w3d\r\n\
    CSeq: 1 SUBSCRIBE\r\n\
    Contact: <sip:ben@192.0.2.33:50123;transport=tcp;ob>\r\n\
    Event: presence\r\n\
    Accept: application/pidf+xml, application/rlmi+xml, multipart/related\r\n\
    Expires: 3600\r\n\
    Allow-Events: presence, presence.winfo\r\n\
    Content-Length: 0\r\n\r\n";

const NOTIFY_200: &str = "SIP/2.0 200 OK\r\n\
    Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK.1f.7;rport=5060;received=198.51.100.1\r\n\
    From: <sip:dana@pres.example>;tag=a-91c2\r\n\
    To: <sip:ben@pres.example>;tag=4fb2\r\n\
    Call-ID: 3c26700a5f1e-9y1qz0hx2w3d\r\n\
    CSeq: 12 NOTIFY\r\n\
    Contact: <sip:ben@192.0.2.33:50123;transport=tcp;ob>\r\n\
    Content-Length: 0\r\n\r\n";

criterion_group!(benches, scans);
criterion_main!(benches);
