//! Every way in which a server may answer a resumed request, at every place
//! where the first answer may have broken off. The file is right in the end,
//! and no byte is fetched twice that need not be.

use crate::server::{Server, content, wanted};
use hatchery_image::Progress;
use hatchery_transfer::{Cache, Client, Location, Settings, TransferError};
use std::fs::{self, File};
use std::io::Read;
use std::time::Duration;

/// Length of the file.
fn length() -> usize {
    content("large").len()
}

/// Where the first answer breaks off.
fn cuts() -> [usize; 5] {
    let all = length();
    [0, 1, all / 2, all - 1, all]
}

/// Bytes that are sent of a file of a length that is cut somewhere.
type Expected = fn(usize, usize) -> Option<usize>;

/// What the server does about a request that goes on at `cut`, and how many
/// bytes it sends in all; none if only the content matters.
const WAYS: [(&str, Expected); 9] = [
    ("honours", |all, _| Some(all)),
    ("weak", |all, _| Some(all)),
    ("untagged", |all, _| Some(all)),
    ("closes", |all, _| Some(all)),
    ("ignores", |all, cut| Some(cut + all)),
    ("unsatisfiable", |all, cut| Some(cut + all)),
    ("changed", |all, cut| Some(cut + all)),
    ("changed-unsaid", |all, _| Some(all + all)),
    ("lies", |_, _| None),
];

/// A client that a busy machine does not make give up: bytes are counted here.
fn patient() -> Client {
    Client::with(Settings {
        connect: Duration::from_secs(20),
        stall: Duration::from_secs(20),
        pauses: vec![Duration::from_millis(20)],
        offline: false,
        system_proxy: false,
        ..Settings::default()
    })
    .unwrap()
}

struct Desk {
    server: Server,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            server: Server::start(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn cache(&self) -> Cache {
        Cache::open(self.folder.path()).unwrap()
    }

    fn breaking(&self, way: &str, cut: usize) -> Location {
        self.server.behaving(&format!("cut-{cut}-{way}"))
    }

    fn fetch(&self, locations: &[Location]) -> Result<Vec<u8>, TransferError> {
        let request = wanted(locations, "large");
        let file = patient().download(&request, &self.cache(), &Progress::silent());
        file.map(|mut file: File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        })
    }

    /// Bytes of files, not of error pages, that the server sent.
    fn sent(&self) -> usize {
        self.server.asked().iter().map(|asked| asked.sent).sum()
    }

    fn parts(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("part"))
            .unwrap()
            .flatten();
        entries
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

#[test]
fn every_answer_to_a_resumed_request_ends_in_the_right_file() {
    std::thread::scope(|scope| {
        for (way, expected) in WAYS {
            scope.spawn(move || {
                for cut in cuts() {
                    ends_in_the_right_file(way, cut, expected(length(), cut));
                }
            });
        }
    });
}

fn ends_in_the_right_file(way: &str, cut: usize, expected: Option<usize>) {
    let all = length();
    let desk = Desk::new();
    let result = desk.fetch(&[desk.breaking(way, cut)]);
    let context = format!("{way}, cut at {cut}: {:?}", desk.server.asked());
    if cut == all && way.starts_with("changed") {
        // All of it, and all of it wrong: not the server's word again.
        assert!(result.is_err(), "{context}");
        return;
    }
    let bytes = result.unwrap_or_else(|e| panic!("{context}: {e}"));
    assert!(bytes == content("large"), "{context}");
    assert_eq!(desk.parts(), [""; 0], "{context}");
    let total = match cut {
        // Nothing to go on with, or nothing left to ask for.
        0 if way != "closes" => Some(all),
        _ if cut == all => Some(all),
        _ => expected,
    };
    if let Some(total) = total {
        assert_eq!(desk.sent(), total, "{context}");
    }
}

#[test]
fn only_a_strong_etag_of_the_same_address_is_insisted_on() {
    let half = length() / 2;
    for (way, etag) in [
        ("honours", Some("\"one\"")),
        ("weak", None),
        ("untagged", None),
    ] {
        let desk = Desk::new();
        desk.fetch(&[desk.breaking(way, half)]).unwrap();
        let asked = desk.server.asked();
        assert_eq!(asked[1].range, Some(format!("bytes={half}-")), "{way}");
        assert_eq!(asked[1].if_range.as_deref(), etag, "{way}");
    }
}

#[test]
fn another_mirror_goes_on_where_the_first_broke_off() {
    let all = length();
    for cut in [1, all / 2, all - 1] {
        let desk = Desk::new();
        let first = desk.breaking("missing", cut);
        let bytes = desk
            .fetch(&[first, desk.server.behaving("tagged")])
            .unwrap();
        assert!(bytes == content("large"), "{cut}");
        let asked = desk.server.asked();
        let last = asked.last().unwrap();
        assert_eq!(last.range, Some(format!("bytes={cut}-")));
        assert_eq!(last.if_range, None, "another's ETag says nothing");
        assert_eq!(desk.sent(), all, "{cut}: {asked:?}");
    }
}

#[test]
fn a_mirror_that_lacks_it_or_has_wrong_bytes_does_no_harm() {
    let all = length();
    for cut in [1, all / 2, all - 1] {
        // Nobody has the rest: what is there is kept for another day.
        let desk = Desk::new();
        let places = [
            desk.breaking("missing", cut),
            desk.server.behaving("missing"),
        ];
        desk.fetch(&places).unwrap_err();
        assert!(!desk.parts().is_empty(), "{cut}");
        let bytes = desk.fetch(&[desk.server.behaving("good")]).unwrap();
        assert!(bytes == content("large"), "{cut}");
        assert_eq!(desk.sent(), all, "{cut}");

        // The second one's bytes are wrong: none of them is kept or shown.
        let desk = Desk::new();
        let places = [desk.breaking("missing", cut), desk.server.behaving("wrong")];
        desk.fetch(&places).unwrap_err();
        let places = [places[1].clone(), desk.server.behaving("good")];
        assert!(desk.fetch(&places).unwrap() == content("large"), "{cut}");
        assert_eq!(desk.parts(), [""; 0], "{cut}");
    }
}

#[test]
fn more_than_was_said_is_refused_also_when_it_goes_on() {
    let desk = Desk::new();
    let half = length() / 2;
    let error = desk.fetch(&[desk.breaking("longer", half)]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&(length() + 4).to_string()), "{text}");
    assert!(desk.fetch(&[desk.server.behaving("good")]).unwrap() == content("large"));
}

#[test]
fn a_server_that_always_closes_early_is_given_up() {
    let desk = Desk::new();
    let error = desk.fetch(&[desk.breaking("drips", 1)]).unwrap_err();
    assert!(error.to_string().contains("cannot fetch large"), "{error}");
    let asked = desk.server.asked().len();
    assert!((2..=40).contains(&asked), "{asked}");
}
