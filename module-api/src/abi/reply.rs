//! An answer to a server transaction that the module left pending.

use abi_stable::StableAbi;
use abi_stable::std_types::RSlice;

/// A final response. Via, From, To, Call-ID and CSeq come from the request that the host kept.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Reply<'a> {
    transaction: u64,
    code: u16,
    mirror_record_route: u8,
    reserved: u8,
    reason: RSlice<'a, u8>,
    to_tag: RSlice<'a, u8>,
    headers: RSlice<'a, u8>,
}

impl<'a> Reply<'a> {
    /// Answers `transaction` with `code` and its standard reason phrase.
    ///
    /// `to_tag` is added where the request has none. `headers` are complete lines, each ended by CRLF.
    pub fn new(transaction: u64, code: u16, to_tag: &'a [u8], headers: &'a [u8]) -> Self {
        let (to_tag, headers) = (RSlice::from_slice(to_tag), RSlice::from_slice(headers));
        Self { transaction, code, mirror_record_route: 0, reserved: 0, reason: RSlice::EMPTY, to_tag, headers }
    }

    /// Says why in words of its own instead of the standard phrase.
    pub fn with_reason(mut self, reason: &'a str) -> Self {
        self.reason = RSlice::from_slice(reason.as_bytes());
        self
    }

    /// Copies every Record-Route of the request into the response, as a 2xx that creates a dialog must (RFC 3261 §12.1.1).
    pub fn with_record_route(mut self) -> Self {
        self.mirror_record_route = 1;
        self
    }

    /// Returns the transaction to answer.
    pub fn transaction(&self) -> u64 {
        self.transaction
    }

    /// Returns the status code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns whether Record-Route is copied.
    pub fn mirrors_record_route(&self) -> bool {
        self.mirror_record_route != 0
    }

    /// Returns the reason phrase, empty for the standard one.
    pub fn reason(&self) -> &'a [u8] {
        self.reason.as_slice()
    }

    /// Returns the To-tag.
    pub fn to_tag(&self) -> &'a [u8] {
        self.to_tag.as_slice()
    }

    /// Returns the added header lines.
    pub fn headers(&self) -> &'a [u8] {
        self.headers.as_slice()
    }
}

/// What became of a [`Reply`].
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, StableAbi)]
pub struct ReplyOutcome(pub u8);

impl ReplyOutcome {
    /// Not looked at: the host is draining or met a panic.
    pub const NOT_SENT: Self = Self(0);
    /// Handed to the transport.
    pub const SENT: Self = Self(1);
    /// The transaction is gone or was answered before. A 2xx that comes back so must be undone by the module.
    pub const STALE: Self = Self(2);
}
