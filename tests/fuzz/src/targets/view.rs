//! A request as a hostile host or module may describe it: spans that reach anywhere, and a module that is called with them.

use module_api::abi::{
    Argument, Arrival, Body, Destination, Outcome, OutcomeView, OutgoingRequest, Request, RequestView, SocketAddress,
    Transport,
};
use module_api::sip::header::HeaderId;
use module_api::sip::message::{HEADERS_MAX, HeaderSpan, HeaderTable, Message, StartLine, scan};
use module_api::sip::method::Method;
use module_api::sip::span::Span;

use super::parts;
use super::server::World;

/// The first part is the bytes that spans point into, the second is spans.
pub(super) fn target(data: &[u8]) {
    let mut parts = parts(data);
    let raw = parts.next().unwrap_or_default();
    let mut numbers = Numbers(parts.next().unwrap_or_default());
    let start = StartLine::Request { method: Method(numbers.next()), name: numbers.span(), uri: numbers.span() };
    let body = numbers.span();
    // Sound headers, so that the module gets further, with hostile ones before them.
    let mut table = HeaderTable::new();
    let sound = scan(raw, &mut table).map_or(&[][..], |message| message.all_headers());
    let hostile = std::iter::from_fn(|| numbers.header()).take(HEADERS_MAX);
    let headers: Vec<_> = hostile.chain(sound.iter().copied()).collect();
    let message = Message::from_parts(raw, start, &headers, body);
    check_request(&message, raw);
    check_outcome(&Message::from_parts(
        raw,
        StartLine::Response { code: numbers.next(), reason: body },
        &headers,
        body,
    ));
    check_outgoing(raw, usize::from(numbers.next()));
}

/// Numbers out of bytes, two bytes each; 0 when there are none left.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> u16 {
        let Some((number, rest)) = self.0.split_first_chunk() else { return 0 };
        self.0 = rest;
        u16::from_be_bytes(*number)
    }

    /// One length in eight reaches as far as a span can.
    fn span(&mut self) -> Span {
        let (start, len) = (self.next(), self.next());
        let far = |number: u16| if number % 8 == 7 { u32::MAX - u32::from(number) } else { u32::from(number) };
        Span { start: far(start), len: far(len) }
    }

    fn header(&mut self) -> Option<HeaderSpan> {
        let more = !self.0.is_empty();
        more.then(|| HeaderSpan { id: HeaderId(self.next()), name: self.span(), value: self.span() })
    }
}

fn check_request(message: &Message<'_>, raw: &[u8]) {
    let mut world = World::start(b"");
    for function in 0..4 {
        check_call(&mut world, function, message, raw);
    }
    world.look();
}

fn check_call(world: &mut World, function: u32, message: &Message<'_>, raw: &[u8]) {
    let arrival = Arrival {
        request_uri: message.request_uri(),
        transaction: function.into(),
        flow: 0,
        transport: Transport(raw.len() as u8),
        source: SocketAddress::NONE,
        local: SocketAddress::NONE,
        identity: raw,
        to_tag: raw.get(..8).unwrap_or_default(),
    };
    let view = RequestView::new(message, &arrival).expect("it is made as a request");
    let request = Request::new(&view);
    for header in message.all_headers() {
        let value = request.header(header.id).unwrap_or_default();
        assert!(value.is_empty() || Span::locate(raw, value).is_some());
        let _ = request.message().header_named(header.name.of(raw));
        let _ = request.message().list(header.id).count();
    }
    let _ = (request.message().body(), request.message().method_name(), request.message().cseq());
    let _ = (request.message().is_answerable(), request.message().is_body_optional());
    let module = world.server().stepped.module().expect("there is one");
    module.call(function, &view, &[Argument::text(b"sip:dana@pres.example")]);
}

fn check_outcome(message: &Message<'_>) {
    let view = OutcomeView::of_response([1, 2, 3], message).expect("it is made as a response");
    let outcome = Outcome::new(&view);
    for header in message.all_headers() {
        let _ = outcome.header(header.id);
    }
    let _ = (outcome.code(), outcome.is_local(), outcome.token());
}

fn check_outgoing(raw: &[u8], via_at: usize) {
    let destination = Destination::to_uri(raw, SocketAddress::NONE);
    let outgoing = OutgoingRequest::new([1, 2, 3], destination, raw, via_at, Body::from(raw.to_vec()));
    let (line, headers) = outgoing.head();
    assert_eq!([line, headers].concat(), raw);
    assert_eq!((&outgoing.body()[..], outgoing.destination.next_hop()), (raw, raw));
}
