//! The program: everything it can do is in [`raincheck::cli`].

// Every request allocates on one thread what another one frees.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // A worker starts this very program again to supervise each of its commands; that comes before anything else.
    #[cfg(unix)]
    raincheck_client::run::command::supervise_main_if_asked();
    raincheck::cli::main()
}
