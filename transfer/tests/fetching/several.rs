//! Many files at a time.

use crate::server::{Server, content, hasty, wanted};
use hatchery_image::Progress;
use hatchery_transfer::{Cache, Request, TransferError};
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error("work")]
    Work,
}

fn requests(server: &Server, how: &str, count: usize) -> Vec<Request> {
    (0..count)
        .map(|i| wanted(&[server.behaving(how)], &format!("file{i}")))
        .collect()
}

#[test]
fn each_is_handed_on_once_and_whole() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let all = requests(&server, "good", 300);
    let seen = Mutex::new(BTreeSet::new());
    for _ in 0..2 {
        seen.lock().unwrap().clear();
        hasty()
            .download_all::<TransferError>(
                &all,
                &cache,
                8,
                &|index, mut file| {
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes).unwrap();
                    assert!(bytes == content(&format!("file{index}")));
                    assert!(seen.lock().unwrap().insert(index));
                    Ok(())
                },
                &Progress::silent(),
            )
            .unwrap();
        assert_eq!(seen.lock().unwrap().len(), 300);
    }
    assert_eq!(server.asked().len(), 300, "the second time from the cache");
}

#[test]
fn work_overlaps_with_downloads() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    // The second file stalls for the whole patience of the client; work on
    // the first has long been done then.
    let mut all = requests(&server, "good", 1);
    all.extend(requests(&server, "stalls", 1).into_iter().map(|mut r| {
        r.sha256 = Some(hatchery_image::Sha256::of(b"other"));
        r
    }));
    let begun = Instant::now();
    let done_after = Mutex::new(None);
    let result = hasty().download_all::<Failed>(
        &all,
        &cache,
        2,
        &|_, _| {
            *done_after.lock().unwrap() = Some(begun.elapsed());
            Ok(())
        },
        &Progress::silent(),
    );
    assert!(result.is_err());
    let done = done_after.lock().unwrap().unwrap();
    assert!(done < Duration::from_millis(600), "{done:?}");
    assert!(begun.elapsed() > Duration::from_millis(700));
}

#[test]
fn one_failure_stops_the_rest_and_is_the_one_told() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let mut all = requests(&server, "good", 200);
    all[3].locations = vec![server.behaving("missing")];
    let error = hasty()
        .download_all::<Failed>(&all, &cache, 4, &|_, _| Ok(()), &Progress::silent())
        .unwrap_err();
    assert!(error.to_string().contains("file3"), "{error}");
    assert!(server.asked().len() < 150, "{}", server.asked().len());

    let worked = AtomicUsize::new(0);
    let error = hasty()
        .download_all::<Failed>(
            &requests(&server, "good", 200),
            &cache,
            4,
            &|_, _| {
                worked.fetch_add(1, Ordering::Relaxed);
                Err(Failed::Work)
            },
            &Progress::silent(),
        )
        .unwrap_err();
    assert!(matches!(error, Failed::Work));
    assert!(worked.load(Ordering::Relaxed) < 10);
}

#[test]
fn a_panic_in_the_work_does_not_hang() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let all = requests(&server, "good", 300);
    let once = AtomicBool::new(false);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        hasty().download_all::<Failed>(
            &all,
            &cache,
            4,
            &|_, _| {
                assert!(once.swap(true, Ordering::Relaxed), "as planned");
                Ok(())
            },
            &Progress::silent(),
        )
    }));
    assert!(result.is_err());
}

#[test]
fn nothing_to_do_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    hasty()
        .download_all::<Failed>(&[], &cache, 4, &|_, _| Ok(()), &Progress::silent())
        .unwrap();
}
