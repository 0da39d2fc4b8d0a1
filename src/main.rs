//! The `rerankd` program: parse, run, exit code; nothing else.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// By measurement (benches/proxy/README.md): less CPU for every request than the C library's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(rerankd::cli::run(rerankd::cli::Cli::parse()))
}
