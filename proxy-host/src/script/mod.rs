//! The OpenSER configuration language: one grammar for the whole file, settings, modules and routes.
//!
//! [`parse`] reads a file; whoever loads modules tells [`resolve`] what they declare; what comes out is a [`Program`]
//! in which every name is checked and every function an index. Nothing in here opens a file or a socket.

/// What a file says, as it says it.
pub mod ast;
/// Runs a program for one request.
pub mod interpreter;
/// Tokens.
mod lexer;
/// Tokens to syntax tree, with recovery: all mistakes of a file in one run.
mod parser;
/// What a checked script is.
pub mod program;
/// Syntax tree to program: names, arity, types, route kinds.
mod resolve;
/// The names a setting may have.
pub mod setting_names;
/// Texts with variables in them.
mod template;
/// Values, variables and AVP names that scripts and functions exchange.
pub mod value;
/// What modules declare, so that a script can be checked against it.
pub mod vocabulary;

pub use interpreter::{Context, Failure, MainRoute, Outcome, Refused};
pub use parser::parse;
pub use program::{ParameterSetting, Program};
pub use resolve::{Resolved, resolve};
