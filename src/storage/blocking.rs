//! File system calls from async code.

use std::io;

/// Runs `work` on a thread where it may block, so that a slow disk does not
/// hold up other tasks.
///
/// Cancelling the returned future does not stop `work`: once started, it runs
/// to its end.
///
/// # Errors
/// What `work` returns. When the runtime shuts down before `work` has started,
/// or `work` panics (in tests; elsewhere a panic ends the process), an error
/// of kind [`io::ErrorKind::Other`].
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn result_of_the_work_is_returned() {
        assert_eq!(blocking(|| Ok(7)).await.unwrap(), 7);
        let missing = blocking(|| std::fs::read("/nowhere/at/all")).await;
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn panic_in_the_work_is_an_error() {
        let panicked = blocking::<()>(|| panic!("on purpose")).await;
        assert_eq!(panicked.unwrap_err().kind(), io::ErrorKind::Other);
    }
}
