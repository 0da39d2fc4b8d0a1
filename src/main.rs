//! The `rerankd` program: parse, run, exit code; nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    ExitCode::from(rerankd::cli::run(rerankd::cli::Cli::parse()))
}
