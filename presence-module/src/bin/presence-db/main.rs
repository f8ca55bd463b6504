//! What an operator does to a presence server's database while no server runs on it.

mod arguments; // the command line
mod import; // from another presence server's database
mod tables; // made, checked, brought up to date

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check(target) => tables::check(&target),
        Command::Create(target) => tables::create(&target),
        Command::Ddl(ddl) => tables::print(&ddl),
        Command::Import(arguments) => import::run(&arguments),
        Command::Migrate(target) => tables::migrate(&target),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("presence-db: {complaint}");
            ExitCode::FAILURE
        }
    }
}
