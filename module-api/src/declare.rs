//! The one macro a module author writes.

/// Exports a module: the header a host reads first, and the root it then loads.
///
/// # Example
/// A whole module, with one parameter and one script function, `hello()`:
/// ```
/// use module_api::abi::{Argument, CallResult, Declaration, Function, Host, LogLevel, Module};
/// use module_api::abi::{Parameter, Parameters, Request, RouteKinds};
///
/// struct Hello {
///     host: Host,
///     greeting: String,
/// }
///
/// impl Module for Hello {
///     const DECLARATION: Declaration = Declaration {
///         name: "hello",
///         requires: &["sl"],
///         parameters: &[Parameter::text("greeting", "hello")],
///         functions: &[Function {
///             name: "hello",
///             arguments: &[],
///             optional: 0,
///             routes: RouteKinds::REQUEST,
///             needs_transaction: false,
///         }],
///         event_packages: &[],
///         accepts: &[],
///         methods: &[],
///     };
///
///     fn start(host: Host, parameters: &Parameters) -> Result<Self, String> {
///         Ok(Self { host, greeting: parameters.text("greeting").into() })
///     }
///
///     fn call(&self, _function: usize, _request: &Request<'_>, _arguments: &[Argument<'_>]) -> CallResult {
///         self.host.log(LogLevel::INFO, &self.greeting);
///         CallResult::new(1)
///     }
/// }
///
/// module_api::declare_module!(Hello, "hello", "1.0.0");
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! declare_module {
    ($module:ty, $name:expr, $version:expr) => {
        #[doc(hidden)]
        #[unsafe(export_name = "SIP_MODULE_HEADER")]
        pub static SIP_MODULE_HEADER: $crate::abi::ModuleHeader = $crate::abi::ModuleHeader::new($name, $version);

        #[doc(hidden)]
        #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
        pub static SIP_MODULE_ROOT: $crate::abi::export::LibHeader = $crate::abi::export::lib_header::<$module>();
    };
}
