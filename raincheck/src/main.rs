//! The program: everything it can do is in [`raincheck::cli`].

fn main() -> std::process::ExitCode {
    // A worker starts this very program again to supervise each of its commands; that comes before anything else.
    #[cfg(unix)]
    raincheck_client::run::command::supervise_main_if_asked();
    raincheck::cli::main()
}
