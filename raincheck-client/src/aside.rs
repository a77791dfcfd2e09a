//! Work with files, on threads that are there before it comes: where no process can be started there may be no thread to
//! be had either, and what the runtime would start one for waits for ever or panics.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use tokio::sync::oneshot;

/// So many pieces of work go on at once; what takes long by its nature has a thread of its own.
const THREADS: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// Where work goes in, once there is a thread to do it.
static POOL: Mutex<Option<mpsc::Sender<Work>>> = Mutex::new(None);

/// Does it there.
///
/// # Errors
/// Its own, and when there is no thread to do it.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    let work = move || {
        // Who asked may be gone.
        let _ = done.send(work());
    };
    pool()?.send(Box::new(work)).map_err(|_| io::Error::other("the threads for files are gone"))?;
    result.await.unwrap_or_else(|_| Err(io::Error::other("work with a file panicked")))
}

/// Starts the threads, if they do not run yet.
///
/// # Errors
/// When not even one can be had.
pub(crate) fn start() -> io::Result<()> {
    pool().map(drop)
}

fn pool() -> io::Result<mpsc::Sender<Work>> {
    // A panic leaves nothing half done in it.
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = &*pool {
        return Ok(pool.clone());
    }
    let (sender, work) = mpsc::channel::<Work>();
    let work = Arc::new(Mutex::new(work));
    for number in 0..THREADS {
        let work = work.clone();
        let thread = std::thread::Builder::new().name(format!("files-{number}"));
        match thread.spawn(move || do_all(&work)) {
            Err(error) if number == 0 => return Err(error),
            // Fewer do it as well.
            Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(pool.insert(sender).clone())
}

fn do_all(work: &Mutex<mpsc::Receiver<Work>>) {
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(next) = next else { return };
        // Who asked is told by the channel that is dropped.
        let _ = catch_unwind(AssertUnwindSafe(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_and_a_panic_costs_no_thread() {
        for _ in 0..2 * THREADS {
            let panics = || -> io::Result<()> { std::panic::resume_unwind(Box::new("on purpose")) };
            assert!(aside(panics).await.is_err());
        }
        let all = (0..100).map(|number| aside(move || Ok(number)));
        let all = futures_util::future::try_join_all(all).await.unwrap();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(
            aside(|| Err::<(), _>(io::ErrorKind::NotFound.into())).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
