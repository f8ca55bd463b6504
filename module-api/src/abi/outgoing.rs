//! A request of the module's own: the host adds the Via, runs the client transaction and reports what became of it.

use std::ops::Deref;

use abi_stable::StableAbi;
use abi_stable::std_types::{RArc, RSlice, RVec};

use super::{SocketAddress, Transport};

/// Opaque to the host: the module recognises its request by it when the outcome comes.
pub type Token = [u64; 3];

/// A message body that any number of requests share without copying.
#[repr(transparent)]
#[derive(Clone, Debug, StableAbi)]
pub struct Body(RArc<RVec<u8>>);

impl Body {
    /// Returns a body of no bytes.
    pub fn empty() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(RArc::new(bytes.into()))
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// Where a request goes, from the most to the least specific: an open flow, an address, the URI of the next hop.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Destination<'a> {
    /// A connection to use while it is open, 0 for none.
    pub flow: u64,
    /// A known address.
    pub address: SocketAddress,
    /// The transport that goes with `address`.
    pub transport: Transport,
    /// The listening address to send from, as a request's view named it; none lets the host choose.
    pub local: SocketAddress,
    next_hop: RSlice<'a, u8>,
}

impl<'a> Destination<'a> {
    /// Sends to the URI `next_hop`, resolved by the host, from the listener `local` where it fits.
    pub fn to_uri(next_hop: &'a [u8], local: SocketAddress) -> Self {
        let next_hop = RSlice::from_slice(next_hop);
        Self { flow: 0, address: SocketAddress::NONE, transport: Transport::NONE, local, next_hop }
    }

    /// Returns the URI of the next hop.
    pub fn next_hop(&self) -> &'a [u8] {
        self.next_hop.as_slice()
    }
}

/// A request to send in a client transaction of its own.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct OutgoingRequest<'a> {
    /// Comes back with the outcome.
    pub token: Token,
    /// Where to.
    pub destination: Destination<'a>,
    head: RSlice<'a, u8>,
    via_at: u32,
    body: Body,
}

impl<'a> OutgoingRequest<'a> {
    /// Sends `head` + `body`, with a Via inserted at byte `via_at` of `head`.
    ///
    /// `head` is the start line and every header but Via, Content-Length among them, up to and including the empty line.
    pub fn new(token: Token, destination: Destination<'a>, head: &'a [u8], via_at: usize, body: Body) -> Self {
        Self { token, destination, head: RSlice::from_slice(head), via_at: via_at as u32, body }
    }

    /// Returns the start line, which ends where the Via goes, and the headers behind it.
    pub fn head(&self) -> (&'a [u8], &'a [u8]) {
        let head = self.head.as_slice();
        head.split_at_checked(self.via_at as usize).unwrap_or((head, &[]))
    }

    /// Returns the shared body.
    pub fn body(&self) -> &Body {
        &self.body
    }
}
