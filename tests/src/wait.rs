//! Conditions with deadlines.

use std::future::Future;
use std::time::{Duration, Instant};

/// Deadline for what should take milliseconds; generous because the machine is shared.
pub const SOON: Duration = Duration::from_secs(10);

/// Polls `probe` every 10 ms until it gives `Ok`; panics with its last error once `within` has passed.
pub async fn eventually<T, Fut>(what: &str, within: Duration, mut probe: impl FnMut() -> Fut) -> T
where
    Fut: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + within;
    loop {
        match tokio::time::timeout(within, probe()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => assert!(
                Instant::now() < deadline,
                "not in {within:?}: {what}: {error}"
            ),
            Err(_) => panic!("not in {within:?}: {what}: the probe itself hung"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// `Ok` if both are equal, else an error that shows them; for probes.
pub fn same<T: PartialEq + std::fmt::Debug>(got: T, wanted: &T) -> Result<T, String> {
    if got == *wanted {
        Ok(got)
    } else {
        Err(format!("got {got:?}, wanted {wanted:?}"))
    }
}
