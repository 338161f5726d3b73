//! One file or document from servers that misbehave.

use crate::server::{Server, content, hasty, nobody, wanted};
use hatchery_image::Progress;
use hatchery_image::progress::Event;
use hatchery_transfer::{Cache, Failure, Location, Request, TransferError};
use rustix::fs::OFlags;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

fn cache() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    (dir, cache)
}

fn read(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn parts(cache: &Cache) -> usize {
    fs::read_dir(cache.root().join("part")).unwrap().count()
}

/// Downloads `large` from these places and returns its bytes.
fn fetch(locations: &[Location], cache: &Cache) -> Result<Vec<u8>, TransferError> {
    let request = wanted(locations, "large");
    hasty()
        .download(&request, cache, &Progress::silent())
        .map(read)
}

/// The only thing that went wrong at the only location.
fn only_failure(result: Result<Vec<u8>, TransferError>) -> Failure {
    match result {
        Err(TransferError::Everywhere { mut attempts, .. }) if attempts.len() == 1 => {
            attempts.remove(0).failure
        }
        other => panic!("{:?}", other.map(|b| b.len())),
    }
}

#[test]
fn a_good_server_gives_the_file_and_the_cache_keeps_it() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    for _ in 0..2 {
        let bytes = fetch(&[server.behaving("good")], &cache).unwrap();
        assert!(bytes == content("large"));
    }
    assert_eq!(server.asked().len(), 1);
    assert_eq!(parts(&cache), 0);
}

#[test]
fn what_is_handed_out_can_only_be_read() {
    let (server, (dir, cache)) = (Server::start(), cache());
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("large"), content("large")).unwrap();
    let is_read_only = |file: &File| {
        let flags = rustix::fs::fcntl_getfl(file).unwrap();
        flags & OFlags::RWMODE == OFlags::RDONLY
    };
    let silent = Progress::silent();
    let forget = |digest| {
        cache.forget_part(digest).unwrap();
        cache
            .find(digest)
            .map(|path| fs::remove_file(path).unwrap());
    };
    for location in [server.behaving("good"), Location::Folder(folder)] {
        let request = wanted(&[location], "large");
        let digest = request.sha256.unwrap();
        let mut told = 0;
        let mut arrival = |file: &File, _: u64| {
            told += 1;
            is_read_only(file)
        };
        let file = hasty().download_arriving(&request, &cache, &silent, &mut arrival);
        assert!(is_read_only(&file.unwrap()), "after {told}");
        forget(digest);
        // Fetched, and then found.
        for _ in 0..2 {
            let file = hasty().download(&request, &cache, &silent).unwrap();
            assert!(is_read_only(&file));
        }
        forget(digest);
    }
}

#[test]
fn a_truncated_file_is_resumed_with_its_etag() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let bytes = fetch(&[server.behaving("truncates")], &cache).unwrap();
    assert!(bytes == content("large"));
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].range.as_ref().is_some_and(|r| r != "bytes=0-"));
    assert_eq!(asked[1].if_range.as_deref(), Some("\"one\""));
    assert_eq!(parts(&cache), 0);
}

#[test]
fn another_run_resumes_what_the_first_left() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    assert!(fetch(&[server.behaving("stalls")], &cache).is_err());
    assert!(parts(&cache) > 0);
    let bytes = fetch(&[server.behaving("good")], &cache).unwrap();
    assert!(bytes == content("large"));
    let range = server.asked().last().unwrap().range.clone().unwrap();
    assert_eq!(range, format!("bytes={}-", content("large").len() / 2));
    assert_eq!(parts(&cache), 0);
}

#[test]
fn servers_that_cannot_resume_are_asked_for_all() {
    for how in ["ignores-range", "refuses-range", "wrong-range"] {
        let (server, (_dir, cache)) = (Server::start(), cache());
        let bytes = fetch(&[server.behaving(how)], &cache).unwrap();
        assert!(bytes == content("large"), "{how}");
    }
}

#[test]
fn a_poisoned_partial_file_is_fetched_anew() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let digest = wanted(&[], "large").sha256.unwrap();
    let part = cache.root().join("part").join(digest.to_string());
    for poison in [
        vec![b'x'; 1000],
        vec![b'x'; content("large").len()],
        vec![b'x'; content("large").len() + 1],
    ] {
        fs::write(&part, poison).unwrap();
        let bytes = fetch(&[server.behaving("good")], &cache).unwrap();
        assert!(bytes == content("large"));
        fs::remove_file(cache.find(digest).unwrap()).unwrap();
    }
}

#[test]
fn wrong_content_is_refused_and_the_next_mirror_asked() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let failure = only_failure(fetch(&[server.behaving("wrong")], &cache));
    assert!(matches!(failure, Failure::Digest { .. }), "{failure}");
    assert_eq!(parts(&cache), 0, "wrong bytes are not kept");
    let both = [server.behaving("wrong"), server.behaving("good")];
    assert!(fetch(&both, &cache).unwrap() == content("large"));
}

#[test]
fn lengths_are_checked_before_anything_is_stored() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let failure = only_failure(fetch(&[server.behaving("longer")], &cache));
    assert!(matches!(failure, Failure::Length { .. }), "{failure}");
    let failure = only_failure(fetch(&[server.behaving("endless")], &cache));
    assert!(matches!(failure, Failure::TooLong(_)), "{failure}");
    let failure = only_failure(fetch(&[server.behaving("encoded")], &cache));
    assert!(matches!(failure, Failure::Encoded(_)), "{failure}");
}

#[test]
fn waits_end() {
    for how in ["stalls", "trickles", "silent"] {
        let (server, (_dir, cache)) = (Server::start(), cache());
        let begun = Instant::now();
        let failure = only_failure(fetch(&[server.behaving(how)], &cache));
        assert!(matches!(failure, Failure::Stalled(_)), "{how}: {failure}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{how}");
    }
}

#[test]
fn a_server_in_trouble_is_asked_again_and_a_missing_file_is_not() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    assert!(fetch(&[server.behaving("fails-once")], &cache).is_ok());
    assert_eq!(server.asked().len(), 2);

    let (server, (_dir, cache)) = (Server::start(), self::cache());
    let result = fetch(&[server.behaving("missing")], &cache);
    assert!(result.as_ref().is_err_and(TransferError::is_missing));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn every_location_is_listed_when_all_fail() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let locations = [
        server.behaving("fails"),
        nobody(),
        server.behaving("missing"),
        Location::parse("/nonexistent/mirror").unwrap(),
    ];
    let error = fetch(&locations, &cache).unwrap_err();
    assert!(!error.is_missing());
    let text = error.to_string();
    for part in [
        "cannot fetch large",
        "500 Internal Server Error",
        "cannot connect",
        "refused",
        "404 Not Found",
        "/nonexistent/mirror/large",
        "No such file",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_server_that_is_down_is_asked_last_from_then_on() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let client = hasty();
    let locations = [server.behaving("good"), nobody()];
    let down_first = [locations[1].clone(), locations[0].clone()];
    for name in ["a", "b"] {
        let request = wanted(&down_first, name);
        client
            .download(&request, &cache, &Progress::silent())
            .unwrap();
    }
    // Offline, only the other order of trying would show: so ask for a file
    // that neither has, and look at the order of the answers.
    let mut request = wanted(&[nobody(), server.behaving("missing")], "c");
    request.locations[0] = down_first[0].clone();
    let Err(TransferError::Everywhere { attempts, .. }) =
        client.download(&request, &cache, &Progress::silent())
    else {
        panic!()
    };
    assert!(matches!(attempts[0].failure, Failure::Status(_)));
}

#[test]
fn bytes_are_reported_once_each() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let count = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&count);
    let progress = Progress::new(move |event| {
        if let Event::Advance { by, .. } = event {
            sum.fetch_add(by, Ordering::Relaxed);
        }
    });
    // Half arrives twice: the server ignores the range.
    let request = wanted(&[server.behaving("ignores-range")], "large");
    hasty().download(&request, &cache, &progress).unwrap();
    assert_eq!(count.load(Ordering::Relaxed), request.size.unwrap());
}

#[test]
fn the_user_can_stop_a_wait() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let progress = Progress::silent();
    let flag = progress.stop_flag();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        flag.store(true, Ordering::Relaxed);
    });
    let request = wanted(&[server.behaving("silent")], "large");
    let error = hasty().download(&request, &cache, &progress).unwrap_err();
    assert!(matches!(error, TransferError::Interrupted(_)), "{error}");
}

#[test]
fn a_file_in_a_folder_of_ours_is_used_in_place() {
    let (_dir, cache) = cache();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    fs::write(&path, content("large")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let location = Location::from(folder.path());
    assert!(fetch(std::slice::from_ref(&location), &cache).unwrap() == content("large"));
    let digest = wanted(&[], "large").sha256.unwrap();
    assert!(cache.find(digest).is_none(), "it was not copied");

    // What others can write to is copied.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(fetch(std::slice::from_ref(&location), &cache).unwrap() == content("large"));
    assert!(cache.find(digest).is_some());
}

#[test]
fn what_is_wrong_in_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let location = [Location::from(folder.path())];
    for mode in [0o644, 0o666] {
        let (_dir, cache) = cache();
        fs::write(&path, vec![b'x'; content("large").len()]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let failure = only_failure(fetch(&location, &cache));
        assert!(matches!(failure, Failure::Digest { .. }), "{failure}");
    }
    let (_dir, cache) = cache();
    fs::write(&path, b"short").unwrap();
    let failure = only_failure(fetch(&location, &cache));
    assert!(matches!(failure, Failure::Length { .. }), "{failure}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let failure = only_failure(fetch(&location, &cache));
    assert!(matches!(failure, Failure::NotAFile), "{failure}");
}

#[test]
fn a_full_or_forbidden_disk_names_the_path() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    // A link to /dev/full would be refused as a link; a file in the place of
    // the folder is refused by every user, root included.
    fs::remove_dir(dir.path().join("part")).unwrap();
    fs::write(dir.path().join("part"), "").unwrap();
    let error = fetch(&[server.behaving("good")], &cache).unwrap_err();
    assert!(matches!(error, TransferError::Host { .. }));
    assert!(error.to_string().contains("part"), "{error}");
    assert!(server.asked().is_empty());
}

#[test]
fn two_at_once_fetch_it_once() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                let bytes = fetch(&[server.behaving("truncates")], &cache).unwrap();
                assert!(bytes == content("large"));
            });
        }
    });
    assert_eq!(server.asked().len(), 2, "one try and one resumption");
    assert_eq!(parts(&cache), 0);
}

#[test]
fn documents_are_limited_checked_and_taken_from_the_next_mirror() {
    let server = Server::start();
    let client = hasty();
    let silent = Progress::silent();
    let request = |how: &[&str]| Request {
        locations: how.iter().map(|h| server.behaving(h)).collect(),
        path: "small".into(),
        sha256: None,
        size: None,
        limit: 100_000,
    };
    let bytes = client.get(&request(&["fails", "good"]), &silent).unwrap();
    assert!(bytes == content("small"));
    let error = client.get(&request(&["endless"]), &silent).unwrap_err();
    assert!(error.to_string().contains("longer than 100000"), "{error}");
    let mut pinned = request(&["wrong", "good"]);
    pinned.sha256 = Some(hatchery_image::Sha256::of(&content("small")));
    assert!(client.get(&pinned, &silent).unwrap() == content("small"));

    // The caller's own check moves on to the next mirror, too.
    #[derive(Debug, thiserror::Error)]
    #[error("the captive portal says hello")]
    struct Portal;
    let taken = client.get_checked(&request(&["wrong", "good"]), &silent, |at, bytes| {
        if bytes.starts_with(b"xxx") {
            Err(Portal)
        } else {
            Ok(at.clone())
        }
    });
    assert_eq!(taken.unwrap(), server.behaving("good"));
    let error = client
        .get_checked(&request(&["wrong"]), &silent, |_, _| Err::<(), _>(Portal))
        .unwrap_err();
    assert!(error.to_string().contains("captive portal"), "{error}");
}

#[test]
fn offline_asks_nobody() {
    let (server, (_dir, cache)) = (Server::start(), cache());
    let client = hatchery_transfer::Client::with(hatchery_transfer::Settings {
        offline: true,
        ..Default::default()
    })
    .unwrap();
    let request = wanted(&[server.behaving("good")], "large");
    let error = client.download(&request, &cache, &Progress::silent());
    assert!(error.unwrap_err().to_string().contains("offline"));
    assert!(server.asked().is_empty());
}
