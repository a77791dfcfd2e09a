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

#[cfg(test)]
#[cfg(all(target_os = "linux", feature = "mimalloc"))]
mod tests {
    /// Resident, MiB.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() >> 10
    }

    #[test]
    fn much_memory_goes_back_to_the_system_at_once() {
        let much = std::hint::black_box(vec![1_u8; 64 << 20]);
        let held = resident();
        drop(much);
        assert!(resident() + 60 < held, "{held} MiB before, {} after", resident());
    }
}
