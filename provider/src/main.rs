//! The provider's program; see the library for everything.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    oidc_provider::run(std::env::args_os())
}
