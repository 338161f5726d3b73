//! A reader of OpenMetrics text 1.0 that takes nothing which the standard does
//! not allow: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::collections::{BTreeMap, BTreeSet};

/// Samples by name and labels, as they are written.
#[derive(Debug, Default)]
pub(super) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// The value of a sample, such as `hatchery_requests_total{status="2xx"}`.
    pub(super) fn get(&self, sample: &str) -> f64 {
        *self
            .0
            .get(sample)
            .unwrap_or_else(|| panic!("{sample} is not in {self:#?}"))
    }
}

/// A family of metrics.
#[derive(Debug)]
struct Family {
    name: String,
    kind: String,
    help: bool,
    unit: bool,
}

impl Family {
    /// What may follow the name in a sample.
    fn suffixes(&self) -> &[&str] {
        match self.kind.as_str() {
            "counter" => &["_total", "_created"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum", "_created"],
            other => panic!("a family of type {other}"),
        }
    }
}

/// Reads a text.
pub(super) fn read(text: &str) -> Scrape {
    let body = text.strip_suffix("# EOF\n").expect("an end");
    let (mut scrape, mut names) = (Scrape::default(), BTreeSet::new());
    let mut family: Option<Family> = None;
    for line in body.split_terminator('\n') {
        assert!(
            line == line.trim() && !line.contains(['\r', '\t']),
            "{line:?}"
        );
        if let Some(comment) = line.strip_prefix("# ") {
            describe(comment, &mut family, &mut names);
            continue;
        }
        let family = family.as_ref().expect("a type before its samples");
        let (sample, value) = line.rsplit_once(' ').expect(line);
        let name = sample.split('{').next().unwrap();
        let suffix = name.strip_prefix(&family.name).expect(line);
        assert!(family.suffixes().contains(&suffix), "{line}");
        labels(&sample[name.len()..]);
        let value: f64 = value.parse().expect(line);
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let before = scrape.0.insert(sample.to_owned(), value);
        assert!(before.is_none(), "{line} is there twice");
    }
    histograms(&scrape);
    scrape
}

/// `HELP name text`, `TYPE name kind` or `UNIT name unit`.
fn describe(comment: &str, family: &mut Option<Family>, names: &mut BTreeSet<String>) {
    let words: Vec<&str> = comment.splitn(3, ' ').collect();
    let [what, name, rest] = words[..] else {
        panic!("{comment}")
    };
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(name.chars().all(is_name) && !name.is_empty(), "{comment}");
    if family.as_ref().is_none_or(|family| family.name != name) {
        assert!(names.insert(name.to_owned()), "{name} is not in one piece");
        *family = Some(Family {
            name: name.to_owned(),
            kind: String::new(),
            help: false,
            unit: false,
        });
    }
    let family = family.as_mut().unwrap();
    match what {
        "HELP" => assert!(!std::mem::replace(&mut family.help, true), "{comment}"),
        "TYPE" => {
            assert!(family.kind.is_empty(), "{comment}");
            family.kind = rest.to_owned();
        }
        "UNIT" => {
            assert!(!std::mem::replace(&mut family.unit, true), "{comment}");
            assert!(name.ends_with(&format!("_{rest}")), "{comment}");
        }
        other => panic!("# {other}"),
    }
}

/// `{name="value",…}` or nothing.
fn labels(text: &str) {
    if text.is_empty() {
        return;
    }
    let inside = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    for label in inside.expect(text).split(',') {
        let (name, value) = label.split_once('=').expect(text);
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        assert!(!value.expect(text).contains(['"', '\\']), "{text}");
    }
}

/// Buckets only grow, and the last one holds everything.
fn histograms(scrape: &Scrape) {
    let counts = scrape.0.iter().filter(|(name, _)| name.ends_with("_count"));
    for (name, count) in counts {
        let base = name.trim_end_matches("_count");
        let start = format!("{base}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = scrape
            .0
            .iter()
            .filter_map(|(name, value)| {
                let bound = name.strip_prefix(&start)?.trim_end_matches("\"}");
                Some((bound.replace("+Inf", "inf").parse().unwrap(), *value))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.windows(2).all(|w| w[0].1 <= w[1].1), "{buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
    }
}
