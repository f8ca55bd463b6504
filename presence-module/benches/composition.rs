//! What a document costs: read strictly when it is published, composed when a watcher must be told.
//!
//! The documents are two kilobytes, as phones send them. `hostile` is the most work that 64 KiB within the limits can cause,
//! and eight times 64 KiB composed.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use presence::composition::{Policy, Source, compose};
use presence::document::pidf::Pidf;
use presence::document::xml::{Limits, Xml};

fn phone(number: usize) -> String {
    let tuples: String = (0..3)
        .map(|tuple| {
            format!(
                r#"  <tuple id="phone{number}-{tuple}">
    <status><basic>open</basic></status>
    <rpid:class>biz</rpid:class>
    <rpid:service-class><rpid:electronic/></rpid:service-class>
    <dm:deviceID>urn:uuid:5f2c0c34-7a31-4c55-9a51-0d6f2b8f9e0{number}</dm:deviceID>
    <contact priority="0.8">sip:dana@pres.example;gr=phone{number}-{tuple}</contact>
    <note xml:lang="en">at the desk, the door is open</note>
    <timestamp>2025-03-04T08:15:00Z</timestamp>
  </tuple>
"#
            )
        })
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
          xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
{tuples}  <dm:person id="person{number}">
    <rpid:activities><rpid:meeting/></rpid:activities>
    <rpid:place-type><rpid:other>the large room</rpid:other></rpid:place-type>
    <dm:note xml:lang="en">back at ten</dm:note>
    <dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp>
  </dm:person>
  <dm:device id="device{number}">
    <dm:deviceID>urn:uuid:5f2c0c34-7a31-4c55-9a51-0d6f2b8f9e0{number}</dm:deviceID>
  </dm:device>
</presence>
"#
    )
}

fn hostile() -> [(&'static str, String); 4] {
    let declarations: String = (0..31).map(|number| format!(" xmlns:n{number}='u'")).collect();
    let attributes: String = (0..64).map(|number| format!(" a{number}=''")).collect();
    let namespaces = format!("<r{declarations}>{}</r>", "<a xmlns=''/>".repeat(4090));
    [
        ("namespaces", namespaces),
        ("attributes", format!("<r>{}</r>", format!("<a{attributes}/>").repeat(135))),
        ("references", format!("<r>{}</r>", "&lt;".repeat(16_000))),
        ("comments", format!("<r>{}</r>", "x<!---->".repeat(8_000))),
    ]
}

/// Prefixes that mean something else for every publisher, so that each element must declare its own.
fn hostile_publication(number: usize) -> String {
    let namespace = format!("{number}{}", "u".repeat(250));
    let declarations: String = (0..30).map(|prefix| format!(" xmlns:n{prefix}='{namespace}{prefix}'")).collect();
    let elements: String = (0..3000).map(|element| format!("<n{}:e a='{element}'/>", element % 30)).collect();
    format!("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity=''{declarations}>{elements}</presence>")
}

fn documents(criterion: &mut Criterion) {
    let (first, second) = (phone(1), phone(2));
    let sources = [
        Source { body: first.as_bytes(), received_at_ms: 1_741_076_100_000, number: 1 },
        Source { body: second.as_bytes(), received_at_ms: 1_741_076_200_000, number: 2 },
    ];
    println!("documents of {} bytes", first.len());
    let limits = Limits::default();
    criterion
        .bench_function("read", |bencher| bencher.iter(|| Pidf::read(black_box(first.as_bytes()), &limits).is_ok()));
    criterion.bench_function("compose one", |bencher| {
        bencher.iter(|| compose(Policy::Union, black_box("sip:dana@pres.example"), black_box(&sources[..1])));
    });
    criterion.bench_function("compose two", |bencher| {
        bencher.iter(|| compose(Policy::Union, black_box("sip:dana@pres.example"), black_box(&sources)));
    });
    criterion.bench_function("compose two as oma", |bencher| {
        bencher.iter(|| compose(Policy::Oma, black_box("sip:dana@pres.example"), black_box(&sources)));
    });
    let publications: Vec<_> = (0..8).map(hostile_publication).collect();
    let sources: Vec<_> = publications
        .iter()
        .map(|body| {
            assert!(Pidf::read(body.as_bytes(), &limits).is_ok());
            Source { body: body.as_bytes(), received_at_ms: 0, number: 0 }
        })
        .collect();
    println!("hostile publications compose to {} bytes", compose(Policy::Union, "", &sources).len());
    for policy in [Policy::Oma, Policy::Union] {
        criterion.bench_function(&format!("hostile/compose eight as {policy:?}"), |bencher| {
            bencher.iter(|| compose(policy, "", black_box(&sources)));
        });
    }
    for (name, document) in hostile() {
        assert!(Xml::read(document.as_bytes(), &limits).is_ok(), "{name}: {} bytes", document.len());
        criterion.bench_function(&format!("hostile/{name}"), |bencher| {
            bencher.iter(|| Xml::read(black_box(document.as_bytes()), &limits).is_ok());
        });
    }
}

criterion_group!(benches, documents);
criterion_main!(benches);
