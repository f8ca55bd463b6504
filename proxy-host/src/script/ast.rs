//! What a configuration file says, as it says it: names unresolved, every part with its place.
//!
//! Whoever loads modules reads `Ast::modules`; `config.rs` reads the settings; `resolve.rs` the rest.

use crate::diagnostic::Span;

use super::vocabulary::RouteKind;

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct Ast {
    /// `name=value` lines.
    pub settings: Vec<Setting>,
    /// `loadmodule` lines.
    pub modules: Vec<LoadModule>,
    /// `modparam` lines.
    pub parameters: Vec<ModuleParameterLine>,
    /// `route` blocks of every kind.
    pub routes: Vec<Route>,
    /// Where each line starts.
    pub(super) line_starts: Vec<usize>,
    /// Just behind the last token.
    pub(super) end: Span,
}

impl Ast {
    /// Returns the number, from 1, of the line `span` starts in.
    pub fn line(&self, span: Span) -> usize {
        self.line_starts.partition_point(|start| *start <= span.start)
    }
}

/// Something and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spanned<T> {
    /// The thing.
    pub node: T,
    /// Its place.
    pub span: Span,
}

/// `name=value …`.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The name.
    pub name: Spanned<String>,
    /// The values on its line: quotes removed, unquoted ones as they stand.
    pub values: Vec<Spanned<String>>,
}

/// `loadmodule "presence.so"`.
#[derive(Clone, Debug)]
pub struct LoadModule {
    /// What stands in the quotes.
    pub path: String,
    /// The whole line.
    pub span: Span,
}

impl LoadModule {
    /// Returns the module's name: the file name without `lib` and `.so`.
    pub fn module_name(&self) -> &str {
        let file = self.path.rsplit('/').next().unwrap_or(&self.path);
        let name = file.strip_suffix(".so").unwrap_or(file);
        name.strip_prefix("lib").filter(|name| !name.is_empty()).unwrap_or(name)
    }
}

/// `modparam("module|module", "name", value)`.
#[derive(Clone, Debug)]
pub struct ModuleParameterLine {
    /// The modules, separated by `|`.
    pub modules: Spanned<String>,
    /// The parameter.
    pub name: Spanned<String>,
    /// Its value.
    pub value: Spanned<super::value::Value>,
}

/// `route[NAME] { … }`.
#[derive(Clone, Debug)]
pub struct Route {
    /// What runs it.
    pub kind: RouteKind,
    /// Its name; the main route has none.
    pub name: Option<Spanned<String>>,
    /// What it does.
    pub body: Vec<Statement>,
    /// The words before the brace.
    pub span: Span,
}

/// One statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `$ru = "sip:…";`
    Assign {
        /// What changes.
        target: Spanned<RawVariable>,
        /// Its new value.
        value: Spanned<Operand>,
    },
    /// `{ … }`
    Block(Vec<Statement>),
    /// `f("a", 1);` and `route(NAME);`
    Call(Call),
    /// `drop;`
    Drop,
    /// `exit;`
    Exit,
    /// `if (…) … else if (…) … else …`
    If {
        /// Each condition and what it leads to, tried in order.
        arms: Vec<(Expression, Vec<Statement>)>,
        /// What runs when none holds.
        otherwise: Vec<Statement>,
    },
    /// `return;` and `return(n);`
    Return(Option<Spanned<i64>>),
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Expression {
    /// Every one holds, tried in order.
    And(Vec<Expression>),
    /// A function's answer.
    Call(Call),
    /// `left operator right`
    Compare {
        /// The left side.
        left: Spanned<Operand>,
        /// The operator.
        operator: Spanned<Operator>,
        /// The right side.
        right: Spanned<Operand>,
    },
    /// A part that could not be read, and is reported.
    Mistaken,
    /// The opposite holds.
    Not(Box<Expression>),
    /// One holds, tried in order.
    Or(Vec<Expression>),
    /// A value stands alone.
    Truth(Spanned<Operand>),
}

/// How two sides are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=~`
    Matches,
    /// `!=`
    NotEqual,
    /// `!~`
    NotMatches,
}

/// A function, or `route`, with its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function's name.
    pub name: Spanned<String>,
    /// Its arguments.
    pub arguments: Vec<Spanned<Operand>>,
    /// Name, parentheses and all.
    pub span: Span,
}

/// A value as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operand {
    /// `404`, `-1`, `0x1F`
    Integer(i64),
    /// `"…"` or `'…'`, quotes removed.
    Text(String),
    /// `$ru`
    Variable(RawVariable),
    /// `method`, `myself`, `192.0.2.1`
    Word(String),
}

/// `$name` or `$name(argument)`, unresolved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawVariable {
    /// What follows the dollar sign.
    pub name: String,
    /// What stands in its parentheses.
    pub argument: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::LoadModule;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let line = LoadModule { path: path.into(), span: Default::default() };
        assert_eq!(line.module_name(), expected);
    }

    #[test]
    fn a_module_is_named_by_its_file() {
        check("presence.so", "presence");
        check("/usr/lib/proxy/libpresence.so", "presence");
        check("../sl", "sl");
        check("lib.so", "lib");
        check("", "");
    }
}
