//! What `modparam` may say about a module, and what it said.
//!
//! The host checks type and range against the declaration; only what needs the module's knowledge (the form of a
//! database URL, two parameters that exclude each other) is left to [`Module::check`](super::Module::check).

use abi_stable::StableAbi;
use abi_stable::std_types::RString;

/// The type of a parameter's value.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, StableAbi)]
pub struct ParameterKind(pub u8);

impl ParameterKind {
    /// A whole number; `100` and `"100"` are the same.
    pub const INTEGER: Self = Self(1);
    /// Text.
    pub const TEXT: Self = Self(2);
}

/// One parameter as the module declares it.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The name in `modparam("module", "name", …)`.
    pub name: &'static str,
    /// Integer or text.
    pub kind: ParameterKind,
    /// The value without a `modparam`, written as in the script.
    pub default: &'static str,
    /// The lowest integer accepted.
    pub minimum: i64,
    /// The highest integer accepted.
    pub maximum: i64,
}

impl Parameter {
    /// Declares an integer parameter with its default and inclusive range.
    pub const fn integer(name: &'static str, default: &'static str, minimum: i64, maximum: i64) -> Self {
        Self { name, kind: ParameterKind::INTEGER, default, minimum, maximum }
    }

    /// Declares a text parameter with its default.
    pub const fn text(name: &'static str, default: &'static str) -> Self {
        Self { name, kind: ParameterKind::TEXT, default, minimum: 0, maximum: 0 }
    }
}

/// A parameter's effective value: what the script set, or the default.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct ParameterSetting {
    /// The declared name.
    pub name: RString,
    /// The value as text.
    pub text: RString,
    /// The value of an integer parameter.
    pub integer: i64,
    /// 1 if a `modparam` line set it.
    pub explicit: u8,
}

/// Something a module dislikes about a parameter; the host shows the line that set it.
#[repr(C)]
#[derive(Clone, Debug, Eq, PartialEq, StableAbi)]
pub struct ParameterProblem {
    /// Which parameter.
    pub name: RString,
    /// What was read, without secrets.
    pub message: RString,
    /// What was expected instead.
    pub expected: RString,
}

impl ParameterProblem {
    /// Reports that `name` cannot be served as set.
    pub fn new(name: &str, message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into().into(), expected: expected.into().into() }
    }
}

/// Every declared parameter with its effective value.
#[derive(Clone, Debug)]
pub struct Parameters(Vec<ParameterSetting>);

impl Parameters {
    /// Wraps settings; the host supplies one for each declared parameter.
    pub fn new(settings: Vec<ParameterSetting>) -> Self {
        Self(settings)
    }

    /// Returns the value of a declared integer parameter.
    ///
    /// # Panics
    /// If `name` is not declared: a mistake of the module's author.
    pub fn integer(&self, name: &str) -> i64 {
        self.setting(name).integer
    }

    /// Returns the value of a declared text parameter.
    ///
    /// # Panics
    /// If `name` is not declared: a mistake of the module's author.
    pub fn text(&self, name: &str) -> &str {
        self.setting(name).text.as_str()
    }

    /// Returns whether a `modparam` line set the parameter.
    ///
    /// # Panics
    /// If `name` is not declared: a mistake of the module's author.
    pub fn is_explicit(&self, name: &str) -> bool {
        self.setting(name).explicit != 0
    }

    /// Returns all settings in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = &ParameterSetting> {
        self.0.iter()
    }

    fn setting(&self, name: &str) -> &ParameterSetting {
        self.0.iter().find(|setting| setting.name.as_str() == name).expect("the host passes every declared parameter")
    }
}
