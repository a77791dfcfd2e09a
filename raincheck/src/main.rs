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

#[cfg(all(test, target_os = "linux", feature = "mimalloc"))]
mod tests {
    /// Resident, MiB.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * rustix::param::page_size() >> 20
    }

    #[test]
    fn much_memory_goes_back_to_the_system_at_once() {
        let much = std::hint::black_box(vec![1_u8; 64 << 20]);
        let held = resident();
        drop(much);
        assert!(resident() + 60 < held, "{held} MiB before, {} after", resident());
    }
}
