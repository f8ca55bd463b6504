//! A module besides presence: it counts, answers, panics and tells what it is told, so that tests see how a host treats
//! its modules.
//!
//! Owns nothing but a counter. Its library shares every symbol name with `libpresence.so`.

// A library loaded by name: nothing of it is reached from Rust.
#![allow(missing_docs)]

use std::sync::atomic::{AtomicU32, Ordering};

use module_api::abi::{
    Argument, CallResult, Declaration, Function, Host, LogLevel, Module, Parameter, ParameterKind, Parameters, Reply,
    ReplyOutcome, Request, RouteKinds,
};
use module_api::sip::header::HeaderId;
use module_api::sip::method::Method;

struct Second {
    host: Host,
    label: String,
    calls: AtomicU32,
}

impl Module for Second {
    const DECLARATION: Declaration = Declaration {
        name: "second",
        requires: &["sl"],
        parameters: &[Parameter::text("label", "second")],
        functions: &[
            function("second_count", &[], false),
            function("second_panic", &[], true),
            function("second_reply", &[ParameterKind::INTEGER], true),
            function("second_is_publish", &[], false),
            function("second_tells_identity", &[], false),
        ],
        event_packages: &[],
        accepts: &[],
        methods: &[],
    };

    fn start(host: Host, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self { host, label: parameters.text("label").into(), calls: AtomicU32::new(0) })
    }

    fn call(&self, function: usize, request: &Request<'_>, arguments: &[Argument<'_>]) -> CallResult {
        match Self::DECLARATION.functions[function].name {
            "second_count" => self.count(),
            "second_panic" => panic!("asked to by the script"),
            "second_is_publish" => CallResult::new(if request.message().method() == Method::PUBLISH { 1 } else { -1 }),
            "second_tells_identity" => self.tell_identity(request),
            _ => self.reply(request, arguments[0].as_integer()),
        }
    }

    fn refresh(&self) {
        self.host.log(LogLevel::INFO, &format!("{} looks again", self.label));
    }
}

impl Second {
    /// Returns, and says, how often it was called.
    fn count(&self) -> CallResult {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.host.log(LogLevel::INFO, &format!("{} counts {calls}", self.label));
        CallResult::new(i32::try_from(calls).unwrap_or(i32::MAX))
    }

    /// Says who sent the request, as far as anybody has stated it.
    fn tell_identity(&self, request: &Request<'_>) -> CallResult {
        let identity = request.identity().map_or("nobody".into(), String::from_utf8_lossy);
        let call_id = String::from_utf8_lossy(request.header(HeaderId::CALL_ID).unwrap_or_default());
        self.host.log(LogLevel::INFO, &format!("{call_id} is of {identity}."));
        CallResult::new(1)
    }

    fn reply(&self, request: &Request<'_>, code: i64) -> CallResult {
        let Ok(code) = u16::try_from(code) else { return CallResult::new(-1) };
        let tag = request.to_tag().unwrap_or(b"second");
        let reply = Reply::new(request.transaction(), code, tag, b"");
        self.host.reply_batch(&[reply], &mut [ReplyOutcome::default()]);
        CallResult::new(1).with_to_tag(tag)
    }
}

const fn function(name: &'static str, arguments: &'static [ParameterKind], needs_transaction: bool) -> Function {
    Function { name, arguments, optional: 0, routes: RouteKinds::REQUEST, needs_transaction }
}

module_api::declare_module!(Second, "second", "1.0.0");
