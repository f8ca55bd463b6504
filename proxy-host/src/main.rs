//! The `proxy-host` program.

use std::process::ExitCode;

use clap::Parser;
use proxy_host::server::command_line::{CommandLine, Exit};
use proxy_host::server::start;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let exit = match CommandLine::try_parse() {
        Ok(command) => start::run(&command),
        Err(error) => {
            // Help and version go to stdout, mistakes to stderr; there is nobody to tell if that fails.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    ExitCode::from(exit.code())
}
