//! Warns while there is time: a catalog that expires is refused by every
//! importer, and only whoever holds the key can sign it again.

use crate::holdings::Holdings;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Less than this is left: warn.
pub(crate) const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How often the catalog is looked at.
const LOOK: Duration = Duration::from_secs(3600);

/// What there is to say about a catalog's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Far,
    /// So much is left.
    Near(SignedDuration),
    Past,
}

/// Compares a catalog's expiry with the time.
pub(crate) fn expiry(expires: Timestamp, now: Timestamp) -> Expiry {
    let left = expires.duration_since(now);
    if left <= SignedDuration::ZERO {
        Expiry::Past
    } else if left < WARN_BEFORE {
        Expiry::Near(left)
    } else {
        Expiry::Far
    }
}

/// Looks at the catalog every hour, for ever.
pub(crate) async fn watch(holdings: Arc<Holdings>, now: fn() -> Timestamp) {
    loop {
        let holdings = Arc::clone(&holdings);
        let look = tokio::task::spawn_blocking(move || holdings.catalog());
        match look.await {
            Ok(Ok(Some(catalog))) => warn(catalog.expires, now()),
            Ok(Ok(None)) => tracing::warn!("the store has no catalog yet; publish an image"),
            Ok(Err(error)) => tracing::error!(%error, "the catalog cannot be read"),
            Err(error) => tracing::error!(%error, "the catalog could not be looked at"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn warn(expires: Timestamp, now: Timestamp) {
    match expiry(expires, now) {
        Expiry::Far => {}
        Expiry::Near(left) => tracing::warn!(
            %expires,
            "the catalog expires in {} hours; sign it again with 'hatchery catalog refresh'",
            left.as_hours()
        ),
        Expiry::Past => tracing::error!(
            %expires,
            "the catalog has expired and importers refuse it; sign it again with 'hatchery catalog refresh'"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_days_are_the_time_to_warn() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let at = |text: &str| expiry(text.parse().unwrap(), now);
        assert_eq!(at("2026-12-22T00:00:00Z"), Expiry::Far);
        assert_eq!(at("2026-11-25T00:00:00Z"), Expiry::Far);
        assert_eq!(
            at("2026-11-24T23:00:00Z"),
            Expiry::Near(SignedDuration::from_hours(71))
        );
        assert_eq!(at("2026-11-22T00:00:00Z"), Expiry::Past);
        assert_eq!(at("2026-11-21T00:00:00Z"), Expiry::Past);
    }
}
