//! What the script calls: functions that are built in, and functions of modules, each with a request.

use module_api::abi::{
    Argument as AbiArgument, Arrival, CallResult, RequestView, SocketAddress, Transport as AbiTransport,
};
use module_api::sip::header::HeaderId;
use smallvec::SmallVec;

use super::plan::Callable;
use super::proxy::Proxy;
use crate::script::value::{Argument, AvpName, AvpValue, Variable};
use crate::script::vocabulary::FunctionIndex;
use crate::script::{Context, Refused};
use crate::transport::address::Transport;
use crate::user_agent::checks::refuse_extensions;
use crate::user_agent::{Opened, Request};

/// A request in the hands of the script, and what the script may call.
pub(super) struct RequestContext<'r> {
    pub(super) proxy: &'r Proxy,
    pub(super) request: Request<'r>,
}

impl Context for RequestContext<'_> {
    fn method(&self) -> &[u8] {
        self.request.message.method_name()
    }

    fn variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        self.request.variable(variable, out)
    }

    fn set_request_uri(&mut self, uri: &[u8]) -> Result<(), Refused> {
        self.request.set_request_uri(uri)
    }

    fn avp(&self, name: AvpName) -> Option<AvpValue<'_>> {
        self.request.avp(name)
    }

    fn set_avp(&mut self, name: AvpName, value: Option<AvpValue<'_>>) {
        self.request.set_avp(name, value);
    }

    fn is_myself(&self, uri: &[u8]) -> bool {
        self.request.wire.myself.is_uri(uri)
    }

    fn call(&mut self, function: FunctionIndex, arguments: &[Argument<'_>]) -> i32 {
        let proxy = self.proxy;
        match &proxy.callables[usize::from(function.module)][usize::from(function.function)] {
            Callable::Builtin(run) => run(&mut self.request, arguments),
            Callable::Module { number, function, needs_transaction } => {
                self.call_module(*number, *function, *needs_transaction, arguments)
            }
        }
    }
}

impl RequestContext<'_> {
    fn call_module(
        &mut self,
        number: usize,
        function: u32,
        needs_transaction: bool,
        arguments: &[Argument<'_>],
    ) -> i32 {
        if needs_transaction && let Some(code) = self.refuse() {
            return code;
        }
        let result = self.enter(number, function, arguments);
        if result.code == CallResult::PANICKED {
            self.request.reply(500, b"", b"");
            return 0;
        }
        if !result.to_tag().is_empty() {
            self.request.set_avp(self.request.wire.to_tags.avp, Some(AvpValue::Text(result.to_tag())));
        }
        if !result.identity().is_empty() {
            self.request.identity = result.identity().to_vec();
        }
        self.request.is_answered |= needs_transaction && result.code >= 0;
        result.code
    }

    /// Returns what a function that answers comes to where it is not called: the request has its answer already, or
    /// gets it here.
    fn refuse(&mut self) -> Option<i32> {
        let request = &mut self.request;
        if request.is_answered {
            return Some(-1);
        }
        match request.open_transaction() {
            Opened::Copy => return Some(0),
            Opened::Never => return Some(-1),
            Opened::Refused => {
                request.reply(503, b"", b"Retry-After: 2\r\n");
                return Some(0);
            }
            Opened::Yes => {}
        }
        // What a proxy in this place would have to know (RFC 3261 §16.3 step 5); Require is for the module to judge.
        if let Some(refusal) = refuse_extensions(&request.message, HeaderId::PROXY_REQUIRE) {
            request.reply(refusal.code, refusal.reason.as_bytes(), &refusal.headers);
            return Some(0);
        }
        let is_merged = |handle| request.wire.table.is_merged(handle, &request.message);
        if !request.has_to_tag() && request.transaction.is_some_and(is_merged) {
            request.reply(482, b"Merged Request", b"");
            return Some(0);
        }
        None
    }

    fn enter(&self, number: usize, function: u32, arguments: &[Argument<'_>]) -> CallResult {
        let (request, peer) = (&self.request, self.request.peer);
        let listener = request.wire.network.listener(peer.local_socket);
        let arrival = Arrival {
            request_uri: &request.request_uri,
            transaction: request.transaction.unwrap_or_default(),
            flow: peer.flow,
            transport: if peer.transport == Transport::Tcp { AbiTransport::TCP } else { AbiTransport::UDP },
            source: peer.remote.into(),
            local: listener.map_or(SocketAddress::NONE, |listener| listener.address.into()),
            identity: &request.identity,
            to_tag: request.shared_tag().unwrap_or_default(),
        };
        let arguments: SmallVec<[AbiArgument<'_>; 4]> = arguments
            .iter()
            .map(|argument| match *argument {
                Argument::Integer(number) => AbiArgument::integer(number),
                Argument::Text(text) => AbiArgument::text(text),
                Argument::Methods(_) => AbiArgument::text(b""),
            })
            .collect();
        match RequestView::new(&request.message, &arrival) {
            Some(view) => self.proxy.modules()[number].call(function, &view, &arguments),
            None => CallResult::new(-1),
        }
    }
}
