//! A module's whole life behind its ABI, in one process and through every function of both tables: what miri, the sanitizers and
//! valgrind follow (`scripts/sanitize`), since a loaded library is more than miri knows.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::export::{LibHeader, lib_header};
use super::*;
use crate::sip::header::HeaderId;
use crate::sip::message::{HeaderSpan, HeaderTable, Message, StartLine, scan};
use crate::sip::method::Method;
use crate::sip::span::Span;

const PUBLISH: &[u8] = b"PUBLISH sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
    From: <sip:dana@pres.example>;tag=f\r\nTo: <sip:dana@pres.example>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n\
    Content-Length: 4\r\n\r\nbody";

static HEADER: LibHeader = lib_header::<Echo>();

/// Answers with what it was asked, from a thread of its own too.
struct Echo {
    host: Host,
    thread: Mutex<Option<JoinHandle<()>>>,
}

const ANSWER: usize = 0;
const PANIC: usize = 1;

impl Module for Echo {
    const DECLARATION: Declaration = Declaration {
        name: "echo",
        requires: &["sl"],
        parameters: &[Parameter::text("greeting", "hello"), Parameter::integer("count", "3", 0, 9)],
        functions: &[
            Function {
                name: "answer",
                arguments: &[ParameterKind::TEXT],
                optional: 1,
                routes: RouteKinds::REQUEST,
                needs_transaction: true,
            },
            Function {
                name: "panic",
                arguments: &[],
                optional: 0,
                routes: RouteKinds::REQUEST,
                needs_transaction: false,
            },
        ],
        event_packages: &["presence"],
        accepts: &["text/plain"],
        methods: &["PUBLISH"],
    };

    fn check(parameters: &Parameters) -> Vec<ParameterProblem> {
        let is_sound = parameters.text("greeting") != "bad";
        if is_sound { Vec::new() } else { vec![ParameterProblem::new("greeting", "bad", "a good one")] }
    }

    fn start(host: Host, parameters: &Parameters) -> Result<Self, String> {
        if parameters.text("greeting") == "fail" {
            return Err("told to fail".into());
        }
        let (count, other) = (parameters.integer("count"), host.clone());
        let work = move || (0..count).for_each(|number| answer(&other, 100 + number as u64, b"from a thread"));
        Ok(Self { host, thread: Mutex::new(Some(std::thread::spawn(work))) })
    }

    fn call(&self, function: usize, request: &Request<'_>, arguments: &[Argument<'_>]) -> CallResult {
        assert_ne!(function, PANIC, "as it is told");
        let said = arguments.first().map_or(request.message().body(), Argument::as_text);
        answer(&self.host, request.transaction(), said);
        let body = Body::from(request.message().body().to_vec());
        for token in [[1, 0, 0], [2, 0, 0]] {
            let destination = Destination::to_uri(request.request_uri(), request.local());
            self.host.send_batch(&[OutgoingRequest::new(token, destination, b"NOTIFY\r\n\r\n", 8, body.clone())]);
        }
        CallResult::new(1).with_to_tag(b"tag").with_identity(b"sip:dana@pres.example")
    }

    fn on_outcomes(&self, outcomes: &mut dyn Iterator<Item = Outcome<'_>>) {
        for outcome in outcomes {
            answer(&self.host, outcome.code().into(), outcome.header(HeaderId::CALL_ID).unwrap_or_default());
        }
    }

    fn stop(&self) {
        let thread = self.thread.lock().unwrap().take();
        thread.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn answer(host: &Host, transaction: u64, said: &[u8]) {
    let mut outcomes = [ReplyOutcome::NOT_SENT];
    host.reply_batch(
        &[Reply::new(transaction, 200, b"tag", said).with_reason("Said").with_record_route()],
        &mut outcomes,
    );
    assert_eq!(outcomes, [ReplyOutcome::SENT]);
}

/// Keeps what it is given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    replies: Vec<(u64, Vec<u8>)>,
    bodies: Vec<Body>,
    logged: Vec<String>,
}

impl HostServices for Kept {
    fn log(&self, _: LogLevel, _: RStr<'_>, message: RStr<'_>) {
        self.0.lock().unwrap().logged.push(message.into());
    }

    fn clock(&self) -> Clock {
        Clock::default()
    }

    fn random(&self, mut out: RSliceMut<'_, u8>) {
        out.as_mut_slice().fill(7);
    }

    fn metric(&self, _: MetricKind, _: RStr<'_>, _: RStr<'_>) -> Metric {
        Metric(0)
    }

    fn measure(&self, _: Metric, _: i64) {}

    fn is_local(&self, domain: RStr<'_>) -> bool {
        domain.as_str() == "pres.example"
    }

    fn reply_batch(&self, replies: RSlice<'_, Reply<'_>>, mut outcomes: RSliceMut<'_, ReplyOutcome>) {
        let mut seen = self.0.lock().unwrap();
        for (reply, outcome) in replies.iter().zip(outcomes.as_mut_slice()) {
            seen.replies.push((reply.transaction(), reply.headers().to_vec()));
            *outcome = ReplyOutcome::SENT;
        }
    }

    fn send_batch(&self, requests: RSlice<'_, OutgoingRequest<'_>>) {
        let mut seen = self.0.lock().unwrap();
        seen.bodies.extend(requests.iter().map(|request| request.body().clone()));
    }
}

fn setting(name: &str, text: &str, integer: i64) -> ParameterSetting {
    ParameterSetting { name: name.into(), text: text.into(), integer, explicit: 1 }
}

fn settings(greeting: &str) -> [ParameterSetting; 2] {
    [setting("greeting", greeting, 0), setting("count", "", 3)]
}

fn arrival(uri: &[u8], transaction: u64) -> Arrival<'_> {
    Arrival {
        request_uri: uri,
        transaction,
        flow: 0,
        transport: Transport::UDP,
        source: SocketAddress::NONE,
        local: SocketAddress::NONE,
        identity: b"",
        to_tag: b"",
    }
}

#[test]
fn a_module_lives_behind_its_abi() {
    let library = LoadedModule::of_header(&HEADER).unwrap_or_else(|refused| panic!("{}", refused.report));
    assert_eq!(library.declaration().functions.len(), 2);
    assert_eq!(library.check(&settings("hello")).len(), 0);
    assert_eq!(library.check(&settings("bad")).len(), 1);
    assert_eq!(library.start(Kept::default(), &settings("fail")).err().as_deref(), Some("told to fail"));

    let host = Kept::default();
    let module = library.start(host.clone(), &settings("hello")).unwrap_or_else(|error| panic!("{error}"));
    let mut table = HeaderTable::new();
    let message = scan(PUBLISH, &mut table).unwrap();
    let view = RequestView::new(&message, &arrival(message.request_uri(), 1)).unwrap();
    let result = module.call(ANSWER as u32, &view, &[]);
    assert_eq!((result.code, result.to_tag(), result.identity()), (1, &b"tag"[..], &b"sip:dana@pres.example"[..]));
    module.call(ANSWER as u32, &view, &[Argument::text(b"argument")]);
    assert_eq!(module.call(PANIC as u32, &view, &[]).code, CallResult::PANICKED);
    check_hostile(&module);
    module.on_outcomes(&[OutcomeView::local([1, 0, 0], 408)]);
    module.on_flow_closed(1);
    module.refresh();
    module.drain();
    module.stop();
    drop(module);

    let mut seen = host.0.lock().unwrap();
    let of = |transaction: u64| -> Vec<&[u8]> {
        seen.replies.iter().filter(|reply| reply.0 == transaction).map(|reply| &reply.1[..]).collect()
    };
    assert_eq!(of(1), [&b"body"[..], b"argument"]);
    (100..103).for_each(|number| assert_eq!(of(number), [b"from a thread"]));
    assert_eq!((of(2).len(), of(408).len()), (1, 1));
    assert_eq!(&seen.bodies.remove(0)[..], b"body");
    assert!(seen.logged.iter().any(|line| line.contains("as it is told")), "{:?}", seen.logged);
}

/// Spans that reach anywhere read as nothing.
fn check_hostile(module: &RunningModule) {
    let far = Span { start: u32::MAX, len: u32::MAX };
    let start = StartLine::Request { method: Method(u16::MAX), name: far, uri: Span { start: 1, len: u32::MAX } };
    let headers = [HeaderSpan { id: HeaderId(u16::MAX), name: far, value: far }; 3];
    let message = Message::from_parts(PUBLISH, start, &headers, Span { start: 9, len: u32::MAX });
    let view = RequestView::new(&message, &arrival(message.request_uri(), 2)).unwrap();
    assert_eq!(module.call(ANSWER as u32, &view, &[]).code, 1);
}
