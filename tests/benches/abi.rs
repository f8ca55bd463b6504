//! What a call into a module costs: a real library, loaded as the host loads it, asked one question about a request.

// Criterion's macros make functions that nobody documents.
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use module_api::abi::{
    Arrival, Clock, HostServices, LoadedModule, LogLevel, Metric, MetricKind, OutgoingRequest, ParameterSetting,
    RSlice, RSliceMut, RStr, Reply, ReplyOutcome, RequestView, SocketAddress, Transport,
};
use module_api::sip::message::{HeaderTable, scan};
use tests::binaries::Binaries;

const PUBLISH: &[u8] = b"PUBLISH sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
    From: <sip:dana@pres.example>;tag=f\r\nTo: <sip:dana@pres.example>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n\
    Event: presence\r\nContent-Length: 0\r\n\r\n";

/// A host that does nothing.
struct Idle;

impl HostServices for Idle {
    fn log(&self, _: LogLevel, _: RStr<'_>, _: RStr<'_>) {}

    fn clock(&self) -> Clock {
        Clock::default()
    }

    fn random(&self, _: RSliceMut<'_, u8>) {}

    fn metric(&self, _: MetricKind, _: RStr<'_>, _: RStr<'_>) -> Metric {
        Metric(0)
    }

    fn measure(&self, _: Metric, _: i64) {}

    fn is_local(&self, _: RStr<'_>) -> bool {
        true
    }

    fn reply_batch(&self, _: RSlice<'_, Reply<'_>>, _: RSliceMut<'_, ReplyOutcome>) {}

    fn send_batch(&self, _: RSlice<'_, OutgoingRequest<'_>>) {}
}

fn call(criterion: &mut Criterion) {
    let library = Binaries::get().examples.join("libsecond_module.so");
    let module = LoadedModule::open(&library).expect("the second module fits");
    let function = module.declaration().functions.iter().position(|function| function.name == "second_is_publish");
    let function = function.expect("it is declared") as u32;
    let label = ParameterSetting { name: "label".into(), text: "bench".into(), integer: 0, explicit: 0 };
    let module = module.start(Idle, &[label]).unwrap_or_else(|error| panic!("{error}"));
    let mut table = HeaderTable::new();
    let message = scan(PUBLISH, &mut table).expect("a PUBLISH");
    let arrival = Arrival {
        request_uri: message.request_uri(),
        transaction: 1,
        flow: 0,
        transport: Transport::UDP,
        source: SocketAddress::NONE,
        local: SocketAddress::NONE,
        identity: b"",
        to_tag: b"",
    };
    criterion.bench_function("a call into a module, its view made and read", |bencher| {
        bencher.iter(|| {
            let view = RequestView::new(&message, &arrival).expect("a request");
            assert_eq!(module.call(function, &view, &[]).code, 1);
        });
    });
    module.stop();
}

criterion_group!(benches, call);
criterion_main!(benches);
