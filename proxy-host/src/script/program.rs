//! What a checked script is: routes over indices, constants ready to compare, patterns compiled.
//!
//! `resolve.rs` makes it, `interpreter.rs` walks it; it never changes once it is made.

use regex::bytes::Regex;

use crate::diagnostic::Span;

use super::ast::Operator;
use super::value::{AvpName, MethodList, Value, Variable};
use super::vocabulary::FunctionIndex;

/// A configuration file that may run.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The main route; without one a script does nothing.
    pub(super) main: Option<RouteIndex>,
    pub(super) routes: Vec<Block>,
    pub(super) avp_names: Vec<Box<str>>,
}

impl Program {
    /// Returns the AVP names that are text, in the order [`AvpName::Text`] counts them.
    pub fn avp_names(&self) -> &[Box<str>] {
        &self.avp_names
    }

    /// Returns the AVP of this name, where the script mentions it.
    pub fn avp_name(&self, name: &str) -> Option<AvpName> {
        let index = self.avp_names.iter().position(|known| **known == *name)?;
        u32::try_from(index).ok().map(AvpName::Text)
    }
}

/// One `modparam`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParameterSetting {
    /// The module.
    pub module: String,
    /// The parameter.
    pub name: String,
    /// Its value, of the kind the module declares.
    pub value: Value,
    /// Where the value stands, for what the module itself may refuse.
    pub span: Span,
}

/// Index into [`Program::routes`].
pub(super) type RouteIndex = usize;

pub(super) type Block = Vec<Step>;

/// A statement.
#[derive(Clone, Debug)]
pub(super) enum Step {
    AssignAvp { name: AvpName, value: Operand },
    AssignRequestUri(Operand),
    Block(Block),
    Call(Call),
    Drop,
    Exit,
    If { arms: Vec<(Condition, Block)>, otherwise: Block },
    Return(i32),
    Route(RouteIndex),
}

/// A function call; what is constant in its arguments is ready.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) function: FunctionIndex,
    pub(super) arguments: Vec<CallArgument>,
}

#[derive(Clone, Debug)]
pub(super) enum CallArgument {
    Format(Vec<Piece>),
    Integer(i64),
    Methods(MethodList),
    Text(Box<[u8]>),
}

/// A part of a text with variables.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Literal(Box<[u8]>),
    Value(Operand),
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Call(Call),
    Compare {
        left: Operand,
        operator: Comparison,
        right: Operand,
    },
    IsMyself(Operand),
    Matches {
        left: Operand,
        pattern: Regex,
    },
    /// `method=="PUBLISH"`: the commonest one, bytes against bytes (RFC 3261 §7.1).
    MethodIs(Box<[u8]>),
    Not(Box<Condition>),
    Or(Vec<Condition>),
    Route(RouteIndex),
    Truth(Operand),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    NotEqual,
}

impl Comparison {
    /// Returns the comparison an operator makes; patterns are none.
    pub(super) fn from_operator(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Equal => Some(Self::Equal),
            Operator::Greater => Some(Self::Greater),
            Operator::GreaterOrEqual => Some(Self::GreaterOrEqual),
            Operator::Less => Some(Self::Less),
            Operator::LessOrEqual => Some(Self::LessOrEqual),
            Operator::Matches | Operator::NotMatches => None,
            Operator::NotEqual => Some(Self::NotEqual),
        }
    }
}

/// A value to be read when it is needed.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Avp(AvpName),
    Format(Vec<Piece>),
    Integer(i64),
    ReturnCode,
    Text(Box<[u8]>),
    Variable(Variable),
}
