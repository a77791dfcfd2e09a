//! The supervisor of commands as a program of its own, for those who embed the worker runtime but cannot have their
//! own executable called again. See `raincheck_client::run::command::supervise`.

fn main() {
    #[cfg(unix)]
    raincheck_client::run::command::supervise_main_if_asked();
    eprintln!("raincheck-supervise: started by workers, not by people");
    std::process::exit(2);
}
