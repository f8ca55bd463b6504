//! Runs a program for one request.
//!
//! A tree walk over checked nodes; names were looked up at load. Return codes are OpenSER's: in a condition a code
//! above 0 is true, 0 ends the script, anything else is false. The work of one request is bounded in steps, in depth
//! and in the length of its texts, so that no script and no peer can hold a worker.

use smallvec::SmallVec;

use super::program::{Block, Call, CallArgument, Comparison, Condition, Operand, Piece, Program, RouteIndex, Step};
use super::value::{Argument, AvpName, AvpValue, Variable, parse_integer};
use super::vocabulary::FunctionIndex;

/// What a script sees and does; the server implements it over a request.
pub trait Context {
    /// Returns the request's method.
    fn method(&self) -> &[u8];

    /// Appends a variable's value to `out`; false where the request has none.
    fn variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool;

    /// Replaces the Request-URI.
    ///
    /// # Errors
    /// [`Refused`] where it is no URI; the old one stays.
    fn set_request_uri(&mut self, uri: &[u8]) -> Result<(), Refused>;

    /// Returns what an AVP holds.
    fn avp(&self, name: AvpName) -> Option<AvpValue<'_>>;

    /// Sets an AVP; `None` removes it.
    fn set_avp(&mut self, name: AvpName, value: Option<AvpValue<'_>>);

    /// Tells whether a URI names this host: a listening address or an alias.
    fn is_myself(&self, uri: &[u8]) -> bool;

    /// Calls a function; its arguments are those its signature declares.
    fn call(&mut self, function: FunctionIndex, arguments: &[Argument<'_>]) -> i32;
}

/// A Request-URI that is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused;

/// The route the server starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MainRoute {
    /// `route { … }`, for a request.
    Request,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// `drop`: the request is not to be answered by default rules either.
    Dropped,
    /// At its end, by `return` or by `exit` (code 0).
    Ended {
        /// The code of the route, 0 after `exit`.
        code: i32,
    },
    /// It was stopped.
    Failed(Failure),
}

/// Why a script was stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Failure {
    /// More statements and conditions than [`STEPS_MAX`].
    #[error("the script took more than {STEPS_MAX} steps for one request")]
    StepsExceeded,
    /// A text longer than [`TEXT_BYTES_MAX`].
    #[error("the script made a text of more than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// Routes, blocks and conditions inside each other beyond [`ROUTE_DEPTH_MAX`] or [`FRAMES_MAX`].
    #[error("routes call each other more than {ROUTE_DEPTH_MAX} deep")]
    TooDeep,
}

/// How many statements and conditions one request may take.
pub const STEPS_MAX: u32 = 20_000;

/// How deep `route(NAME)` may go.
pub const ROUTE_DEPTH_MAX: u32 = 100;

/// How deep blocks and conditions may stand in each other, over all routes that are running.
pub const FRAMES_MAX: u32 = 400;

/// How long a text with variables may become.
pub const TEXT_BYTES_MAX: usize = 65_535;

impl Program {
    /// Runs a route for one request.
    pub fn run(&self, route: MainRoute, context: &mut dyn Context) -> Outcome {
        let MainRoute::Request = route;
        let Some(main) = self.main else { return Outcome::Ended { code: 1 } };
        let mut run = Run {
            program: self,
            context,
            steps: 0,
            routes: 0,
            frames: 0,
            last_code: 1,
            scratch: [const { Vec::new() }; 2],
        };
        match run.route(main) {
            Ok(code) => Outcome::Ended { code },
            Err(End::Dropped) => Outcome::Dropped,
            Err(End::Exited) => Outcome::Ended { code: 0 },
            Err(End::Failed(failure)) => Outcome::Failed(failure),
        }
    }
}

/// One run: the request, what was spent on it, and buffers that are filled only where a value must be copied.
struct Run<'r> {
    program: &'r Program,
    context: &'r mut dyn Context,
    steps: u32,
    routes: u32,
    frames: u32,
    /// `$rc`: the code of the last call.
    last_code: i32,
    scratch: [Vec<u8>; 2],
}

/// What ends the whole script.
enum End {
    Dropped,
    Exited,
    Failed(Failure),
}

/// How a block ended: with the code of its last statement, or by `return`.
enum Done {
    Fallen(i32),
    Returned(i32),
}

/// A value that was read; text is in the buffer it was read into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reading {
    Integer(i64),
    Null,
    Text,
}

impl Run<'_> {
    /// Runs a route and returns its code.
    fn route(&mut self, route: RouteIndex) -> Result<i32, End> {
        if self.routes == ROUTE_DEPTH_MAX {
            return Err(End::Failed(Failure::TooDeep));
        }
        self.routes += 1;
        let program = self.program;
        let done = self.block(&program.routes[route])?;
        self.routes -= 1;
        let (Done::Fallen(code) | Done::Returned(code)) = done;
        self.last_code = code;
        ended_by_zero(code)
    }

    fn block(&mut self, block: &Block) -> Result<Done, End> {
        self.enter()?;
        let mut code = 1;
        for step in block {
            self.spend()?;
            match self.step(step)? {
                Done::Fallen(last) => code = last,
                returned @ Done::Returned(_) => {
                    self.frames -= 1;
                    return Ok(returned);
                }
            }
        }
        self.frames -= 1;
        Ok(Done::Fallen(code))
    }

    fn step(&mut self, step: &Step) -> Result<Done, End> {
        let code = match step {
            Step::AssignAvp { name, value } => self.assign_avp(*name, value)?,
            Step::AssignRequestUri(value) => self.assign_request_uri(value)?,
            Step::Block(block) => return self.block(block),
            Step::Call(call) => self.call(call)?,
            Step::Drop => return Err(End::Dropped),
            Step::Exit => return Err(End::Exited),
            Step::If { arms, otherwise } => {
                for (condition, then) in arms {
                    if self.holds(condition)? {
                        return self.block(then);
                    }
                }
                return self.block(otherwise);
            }
            Step::Return(code) => return ended_by_zero(*code).map(Done::Returned),
            Step::Route(route) => self.route(*route)?,
        };
        Ok(Done::Fallen(code))
    }

    fn holds(&mut self, condition: &Condition) -> Result<bool, End> {
        self.spend()?;
        match condition {
            Condition::And(parts) => self.first(parts, false).map(|found| !found),
            Condition::Call(call) => Ok(self.call(call)? > 0),
            Condition::Compare { left, operator, right } => {
                let left = self.read(left, 0)?;
                let right = self.read(right, 1)?;
                Ok(compare(*operator, (left, &self.scratch[0]), (right, &self.scratch[1])))
            }
            Condition::IsMyself(uri) => {
                let reading = self.read(uri, 0)?;
                Ok(reading == Reading::Text && self.context.is_myself(&self.scratch[0]))
            }
            Condition::Matches { left, pattern } => {
                let reading = self.read(left, 0)?;
                self.write_number(reading, 0);
                Ok(reading != Reading::Null && pattern.is_match(&self.scratch[0]))
            }
            Condition::MethodIs(method) => Ok(self.context.method() == &**method),
            Condition::Not(inner) => {
                self.enter()?;
                let holds = self.holds(inner)?;
                self.frames -= 1;
                Ok(!holds)
            }
            Condition::Or(parts) => self.first(parts, true),
            Condition::Route(route) => Ok(self.route(*route)? > 0),
            Condition::Truth(value) => Ok(match self.read(value, 0)? {
                Reading::Integer(number) => number != 0,
                Reading::Null => false,
                Reading::Text => !self.scratch[0].is_empty(),
            }),
        }
    }

    /// Tells whether one of the conditions is `wanted`; those behind it are not tried.
    fn first(&mut self, conditions: &[Condition], wanted: bool) -> Result<bool, End> {
        self.enter()?;
        let mut found = false;
        for condition in conditions {
            if self.holds(condition)? == wanted {
                found = true;
                break;
            }
        }
        self.frames -= 1;
        Ok(found)
    }

    /// Calls a function. Texts with variables are written one behind the other and lent as slices.
    fn call(&mut self, call: &Call) -> Result<i32, End> {
        let mut texts = std::mem::take(&mut self.scratch[0]);
        texts.clear();
        let mut ends: SmallVec<[usize; 4]> = SmallVec::new();
        for argument in &call.arguments {
            if let CallArgument::Format(pieces) = argument {
                self.write_format(pieces, &mut texts)?;
            }
            ends.push(texts.len());
        }
        let mut start = 0;
        let mut arguments: SmallVec<[Argument<'_>; 4]> = SmallVec::new();
        for (argument, end) in call.arguments.iter().zip(&ends) {
            arguments.push(match argument {
                CallArgument::Format(_) => Argument::Text(&texts[start..*end]),
                CallArgument::Integer(number) => Argument::Integer(*number),
                CallArgument::Methods(methods) => Argument::Methods(methods),
                CallArgument::Text(text) => Argument::Text(text),
            });
            start = *end;
        }
        let code = self.context.call(call.function, &arguments);
        drop(arguments);
        self.scratch[0] = texts;
        self.last_code = code;
        ended_by_zero(code)
    }

    fn assign_avp(&mut self, name: AvpName, value: &Operand) -> Result<i32, End> {
        let value = match self.read(value, 0)? {
            Reading::Integer(number) => Some(AvpValue::Integer(number)),
            Reading::Null => None,
            Reading::Text => Some(AvpValue::Text(&self.scratch[0])),
        };
        self.context.set_avp(name, value);
        Ok(1)
    }

    fn assign_request_uri(&mut self, value: &Operand) -> Result<i32, End> {
        let reading = self.read(value, 0)?;
        self.write_number(reading, 0);
        let accepted = reading != Reading::Null && self.context.set_request_uri(&self.scratch[0]).is_ok();
        Ok(if accepted { 1 } else { -1 })
    }

    /// Reads a value; a text goes to the buffer of that number.
    fn read(&mut self, operand: &Operand, buffer: usize) -> Result<Reading, End> {
        let mut out = std::mem::take(&mut self.scratch[buffer]);
        out.clear();
        let reading = self.append(operand, &mut out);
        self.scratch[buffer] = out;
        reading
    }

    /// Appends a text to `out`, or returns the number it is.
    fn append(&mut self, operand: &Operand, out: &mut Vec<u8>) -> Result<Reading, End> {
        let reading = match operand {
            Operand::Avp(name) => match self.context.avp(*name) {
                Some(AvpValue::Integer(number)) => Reading::Integer(number),
                Some(AvpValue::Text(text)) => {
                    out.extend_from_slice(text);
                    Reading::Text
                }
                None => Reading::Null,
            },
            Operand::Format(pieces) => {
                self.write_format(pieces, out)?;
                Reading::Text
            }
            Operand::Integer(number) => Reading::Integer(*number),
            Operand::ReturnCode => Reading::Integer(self.last_code.into()),
            Operand::Text(text) => {
                out.extend_from_slice(text);
                Reading::Text
            }
            Operand::Variable(variable) => match self.context.variable(variable, out) {
                true => Reading::Text,
                false => Reading::Null,
            },
        };
        match out.len() <= TEXT_BYTES_MAX {
            true => Ok(reading),
            false => Err(End::Failed(Failure::TextTooLong)),
        }
    }

    /// Appends a text with its variables replaced; one without a value is `<null>`, as in OpenSER.
    fn write_format(&mut self, pieces: &[Piece], out: &mut Vec<u8>) -> Result<(), End> {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Value(operand) => match self.append(operand, out)? {
                    Reading::Integer(number) => write_integer(number, out),
                    Reading::Null => out.extend_from_slice(b"<null>"),
                    Reading::Text => {}
                },
            }
        }
        Ok(())
    }

    /// Writes a number out where a text is needed.
    fn write_number(&mut self, reading: Reading, buffer: usize) {
        if let Reading::Integer(number) = reading {
            write_integer(number, &mut self.scratch[buffer]);
        }
    }

    fn spend(&mut self) -> Result<(), End> {
        self.steps += 1;
        match self.steps <= STEPS_MAX {
            true => Ok(()),
            false => Err(End::Failed(Failure::StepsExceeded)),
        }
    }

    fn enter(&mut self) -> Result<(), End> {
        self.frames += 1;
        match self.frames <= FRAMES_MAX {
            true => Ok(()),
            false => Err(End::Failed(Failure::TooDeep)),
        }
    }
}

/// A code of 0 ends the script: the function has answered, or wants nothing more to happen.
fn ended_by_zero(code: i32) -> Result<i32, End> {
    match code {
        0 => Err(End::Exited),
        code => Ok(code),
    }
}

/// Compares two values: as numbers where one of them is a number, else as text without regard to ASCII case, as
/// OpenSER does. What has no value is unequal to everything.
fn compare(operator: Comparison, left: (Reading, &[u8]), right: (Reading, &[u8])) -> bool {
    let equality = match operator {
        Comparison::Equal => Some(true),
        Comparison::NotEqual => Some(false),
        _ => None,
    };
    if let (Some(wanted), (Reading::Text, left), (Reading::Text, right)) = (equality, left, right) {
        return left.eq_ignore_ascii_case(right) == wanted;
    }
    let (Some(left), Some(right)) = (number(left), number(right)) else { return operator == Comparison::NotEqual };
    match operator {
        Comparison::Equal => left == right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::NotEqual => left != right,
    }
}

fn number((reading, text): (Reading, &[u8])) -> Option<i64> {
    match reading {
        Reading::Integer(number) => Some(number),
        Reading::Null => None,
        Reading::Text => std::str::from_utf8(text).ok().and_then(parse_integer),
    }
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    use std::io::Write;
    write!(out, "{number}").expect("a Vec takes every write");
}
