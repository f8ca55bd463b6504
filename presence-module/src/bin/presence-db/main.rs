//! What an operator does to a presence server's database while no server runs on it.

mod arguments; // the command line
mod import; // from another presence server's database

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Import(arguments) => import::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("presence-db: {complaint}");
            ExitCode::FAILURE
        }
    }
}
