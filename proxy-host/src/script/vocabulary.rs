//! What modules declare: functions, parameters, requirements. A script is checked against it at load.
//!
//! Whoever loads modules fills it in; nothing in here knows what a function does.

use std::ops::BitOr;

use crate::diagnostic::Span;

/// What one module brings.
#[derive(Clone, Debug, Default)]
pub struct ModuleVocabulary {
    /// The name `modparam` and `requires` use.
    pub name: String,
    /// The `loadmodule` line it came from; `None` for what is there without one.
    pub loaded_at: Option<Span>,
    /// It is accepted and does nothing: every `modparam` of it is, too.
    pub ignored: bool,
    /// Modules that must be loaded before it.
    pub requires: Vec<String>,
    /// Its functions; two of one name and different arity may stand side by side.
    pub functions: Vec<FunctionSignature>,
    /// Its parameters.
    pub parameters: Vec<ModuleParameter>,
    /// Parameters of the field that mean nothing here: accepted, whatever their value.
    pub ignored_parameters: Vec<String>,
}

/// A function as a script sees it.
#[derive(Clone, Debug)]
pub struct FunctionSignature {
    /// The name a script calls.
    pub name: String,
    /// Its parameters, in order.
    pub parameters: Vec<ParameterKind>,
    /// How many of them, from the end, may be left out.
    pub optional: usize,
    /// The kinds of route it may be called from.
    pub routes: RouteKinds,
}

/// What an argument must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ParameterKind {
    /// One of these texts, as they are written.
    Choice(Vec<String>),
    /// A text in which variables are replaced by their values.
    Format,
    /// A number in a range, quoted or not.
    Integer {
        /// The least value.
        minimum: i64,
        /// The greatest value.
        maximum: i64,
    },
    /// Methods separated by `|`.
    MethodList,
    /// A text as it stands.
    Text,
}

/// A parameter that `modparam` sets.
#[derive(Clone, Debug)]
pub struct ModuleParameter {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ModuleParameterKind,
    /// The least value of a number, if there is one.
    pub minimum: Option<i64>,
    /// The greatest value of a number, if there is one.
    pub maximum: Option<i64>,
    /// Its value when nothing is set, for messages.
    pub default: String,
}

/// What a module parameter holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ModuleParameterKind {
    /// A number, quoted or not.
    Integer,
    /// A text; a number is taken as its digits.
    Text,
}

/// What runs a route.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RouteKind {
    /// `branch_route`
    Branch,
    /// `error_route`
    Error,
    /// `failure_route`
    Failure,
    /// `onreply_route`
    Reply,
    /// `route`
    Request,
}

impl RouteKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Branch, Self::Error, Self::Failure, Self::Reply, Self::Request];

    /// Returns the word that begins such a route.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Branch => "branch_route",
            Self::Error => "error_route",
            Self::Failure => "failure_route",
            Self::Reply => "onreply_route",
            Self::Request => "route",
        }
    }
}

/// A set of route kinds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RouteKinds(u8);

impl RouteKinds {
    /// Every kind.
    pub const ALL: Self = Self(0b1_1111);
    /// No kind.
    pub const NONE: Self = Self(0);
    /// `route` blocks only: REQUEST_ROUTE.
    pub const REQUEST: Self = Self::of(RouteKind::Request);

    /// Returns the set of one kind.
    pub const fn of(kind: RouteKind) -> Self {
        Self(1 << kind as u8)
    }

    /// Tells whether `kind` is in the set.
    pub fn contains(self, kind: RouteKind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }

    /// Iterates over the kinds in the set.
    pub fn iter(self) -> impl Iterator<Item = RouteKind> {
        RouteKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl BitOr for RouteKinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Names a function by where it was declared: nothing is looked up by name once a script runs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FunctionIndex {
    /// Index into the vocabularies the script was resolved against.
    pub module: u16,
    /// Index into [`ModuleVocabulary::functions`].
    pub function: u16,
}

/// Returns the module that scripts of the field know `function` from, for a hint where it is not loaded.
pub(super) fn home_of(function: &str) -> Option<&'static str> {
    FUNCTION_HOMES.iter().find(|(name, _)| *name == function).map(|(_, module)| *module)
}

const FUNCTION_HOMES: &[(&str, &str)] = &[
    ("handle_publish", "presence"),
    ("handle_subscribe", "presence"),
    ("has_totag", "textops"),
    ("is_method", "textops"),
    ("mf_process_maxfwd_header", "maxfwd"),
    ("presence_identity", "presence"),
    ("sl_send_reply", "sl"),
    ("t_newtran", "tm"),
    ("t_release", "tm"),
    ("t_reply", "tm"),
    ("xlog", "xlog"),
];
