//! A request, or what became of one of ours, as spans over its bytes: plain data, valid until the call returns.
//!
//! [`RequestView`] and [`OutcomeView`] cross the ABI; module code sees [`Request`] and [`Outcome`], which never trust a
//! span further than the bytes reach.

use abi_stable::StableAbi;
use abi_stable::std_types::RSlice;

use super::{SocketAddress, Token, Transport};
use crate::sip::header::HeaderId;
use crate::sip::message::{HeaderSpan, Message, StartLine};
use crate::sip::method::Method;
use crate::sip::span::Span;

/// A request as the host hands it over.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RequestView<'a> {
    size: u32,
    flow: u64,
    transaction: u64,
    source: SocketAddress,
    local: SocketAddress,
    raw: RSlice<'a, u8>,
    request_uri: RSlice<'a, u8>,
    identity: RSlice<'a, u8>,
    to_tag: RSlice<'a, u8>,
    #[sabi(unsafe_opaque_field)]
    headers: RSlice<'a, HeaderSpan>,
    #[sabi(unsafe_opaque_field)]
    method_name: Span,
    #[sabi(unsafe_opaque_field)]
    original_uri: Span,
    #[sabi(unsafe_opaque_field)]
    body: Span,
    method: u16,
    transport: Transport,
}

/// What a host knows of a request besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The Request-URI after the script's rewriting.
    pub request_uri: &'a [u8],
    /// The server transaction.
    pub transaction: u64,
    /// The connection it came on, 0 for none.
    pub flow: u64,
    /// Its transport.
    pub transport: Transport,
    /// Who sent it.
    pub source: SocketAddress,
    /// The listening address it came in on.
    pub local: SocketAddress,
    /// The URI of the authenticated sender, as a module stated it; empty if unknown.
    pub identity: &'a [u8],
    /// The To-tag that `sl` or the script minted before, empty if none.
    pub to_tag: &'a [u8],
}

impl<'a> RequestView<'a> {
    /// Describes a scanned request. Returns `None` for a response.
    pub fn new(message: &Message<'a>, arrival: &Arrival<'a>) -> Option<Self> {
        let StartLine::Request { method, name, uri } = message.start() else { return None };
        Some(Self {
            size: size_of::<Self>() as u32,
            flow: arrival.flow,
            transaction: arrival.transaction,
            source: arrival.source,
            local: arrival.local,
            raw: message.raw().into(),
            request_uri: arrival.request_uri.into(),
            identity: arrival.identity.into(),
            to_tag: arrival.to_tag.into(),
            headers: message.all_headers().into(),
            method_name: name,
            original_uri: uri,
            body: message.body_span(),
            method: method.0,
            transport: arrival.transport,
        })
    }
}

/// A request as module code reads it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    message: Message<'a>,
    view: &'a RequestView<'a>,
}

impl<'a> Request<'a> {
    /// Reads a view; spans that reach past the bytes read as empty.
    pub fn new(view: &'a RequestView<'a>) -> Self {
        let start = StartLine::Request { method: Method(view.method), name: view.method_name, uri: view.original_uri };
        let message = Message::from_parts(view.raw.as_slice(), start, view.headers.as_slice(), view.body);
        Self { message, view }
    }

    /// Returns the message: headers and body as they came in.
    pub fn message(&self) -> &Message<'a> {
        &self.message
    }

    /// Returns the value of the first header `id`.
    pub fn header(&self, id: HeaderId) -> Option<&'a [u8]> {
        self.message.header(id)
    }

    /// Returns the Request-URI after the script's rewriting.
    pub fn request_uri(&self) -> &'a [u8] {
        self.view.request_uri.as_slice()
    }

    /// Returns the handle to answer through.
    pub fn transaction(&self) -> u64 {
        self.view.transaction
    }

    /// Returns the connection the request came on, 0 for none.
    pub fn flow(&self) -> u64 {
        self.view.flow
    }

    /// Returns the transport.
    pub fn transport(&self) -> Transport {
        self.view.transport
    }

    /// Returns the sender's address.
    pub fn source(&self) -> SocketAddress {
        self.view.source
    }

    /// Returns the listening address the request came in on: what a later request to the same peer leaves from.
    pub fn local(&self) -> SocketAddress {
        self.view.local
    }

    /// Returns the URI of the authenticated sender, if one was stated (see [`CallResult::with_identity`]).
    ///
    /// [`CallResult::with_identity`]: super::CallResult::with_identity
    pub fn identity(&self) -> Option<&'a [u8]> {
        Some(self.view.identity.as_slice()).filter(|identity| !identity.is_empty())
    }

    /// Returns the To-tag minted before this call, if any.
    pub fn to_tag(&self) -> Option<&'a [u8]> {
        Some(self.view.to_tag.as_slice()).filter(|tag| !tag.is_empty())
    }
}

/// What became of an [`OutgoingRequest`](super::OutgoingRequest), as the host hands it over.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct OutcomeView<'a> {
    token: Token,
    raw: RSlice<'a, u8>,
    #[sabi(unsafe_opaque_field)]
    headers: RSlice<'a, HeaderSpan>,
    code: u16,
    local: u8,
}

impl<'a> OutcomeView<'a> {
    /// Describes a final response. Returns `None` for a request.
    pub fn of_response(token: Token, message: &Message<'a>) -> Option<Self> {
        let StartLine::Response { code, .. } = message.start() else { return None };
        let (raw, headers) = (message.raw().into(), message.all_headers().into());
        Some(Self { token, raw, headers, code, local: 0 })
    }

    /// Describes an outcome without a response: 408 for a timeout, 503 for a transport error (RFC 3261 §8.1.3.1).
    pub fn local(token: Token, code: u16) -> Self {
        Self { token, raw: RSlice::EMPTY, headers: RSlice::EMPTY, code, local: 1 }
    }
}

/// An outcome as module code reads it.
#[derive(Clone, Copy)]
pub struct Outcome<'a> {
    view: &'a OutcomeView<'a>,
}

impl<'a> Outcome<'a> {
    /// Reads a view.
    pub fn new(view: &'a OutcomeView<'a>) -> Self {
        Self { view }
    }

    /// Returns the token of the request.
    pub fn token(&self) -> Token {
        self.view.token
    }

    /// Returns the status code; see [`OutcomeView::local`] for those without a response.
    pub fn code(&self) -> u16 {
        self.view.code
    }

    /// Returns whether the host made the outcome up, because no response came.
    pub fn is_local(&self) -> bool {
        self.view.local != 0
    }

    /// Returns the value of the response's first header `id`.
    pub fn header(&self, id: HeaderId) -> Option<&'a [u8]> {
        let found = self.view.headers.as_slice().iter().find(|header| header.id == id)?;
        Some(found.value.of(self.view.raw.as_slice()))
    }
}

/// An argument of a script function.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Argument<'a> {
    text: RSlice<'a, u8>,
    integer: i64,
}

impl<'a> Argument<'a> {
    /// Passes text.
    pub fn text(text: &'a [u8]) -> Self {
        Self { text: text.into(), integer: 0 }
    }

    /// Passes an integer.
    pub fn integer(integer: i64) -> Self {
        Self { text: RSlice::EMPTY, integer }
    }

    /// Returns the text of a text argument.
    pub fn as_text(&self) -> &'a [u8] {
        self.text.as_slice()
    }

    /// Returns the value of an integer argument.
    pub fn as_integer(&self) -> i64 {
        self.integer
    }
}
