//! Generated repositories and what is asked of them: few names, so that
//! everything that can meet does meet.

use std::io::Write as _;

/// Names of packages.
const NAMES: [&str; 11] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "a-b", "lib32-a",
];

/// What is only provided.
const VIRTUAL: [&str; 5] = ["v", "w", "x-runtime", "liba.so", "libb.so"];

const VERSIONS: [&str; 9] = [
    "1-1", "1-2", "1.1-1", "1.0rc1-1", "2-1", "2.0-3", "0:1-1", "1:0.5-1", "1:2-1",
];

/// What provisions and dependencies say besides: no release, sonames, odd.
const LOOSE: [&str; 7] = ["1", "2", "1.1", "1-64", "2-64", "1:0.5", ""];

const GROUPS: [&str; 3] = ["base", "base-devel", "tools"];

const PATTERNS: [&str; 9] = [
    "a", "b", "c*", "?", "[d-f]", "[!a-h]", "lib32-*", "*-b", "base*",
];

/// A small generator of numbers (SplitMix64): the same ones for a seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A package of a generated repository.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    /// Headings with their lines.
    fields: Vec<(&'static str, Vec<String>)>,
}

/// Repositories, and what is asked of them.
pub(super) struct Scenario {
    pub(super) repositories: Vec<(&'static str, Vec<Entry>)>,
    pub(super) targets: Vec<String>,
    pub(super) ignore: Vec<String>,
    pub(super) ignore_groups: Vec<String>,
    pub(super) assumed: Vec<String>,
}

impl Scenario {
    pub(super) fn new(seed: u64, conflicts: bool) -> Self {
        let mut dice = Dice::new(seed);
        let repositories = match dice.below(4) {
            0 => &["core"][..],
            3 => &["testing", "core", "extra"],
            _ => &["core", "extra"],
        };
        let mut some = |chance, from: &[&str], most| -> Vec<String> {
            let count = if dice.percent(chance) {
                dice.below(most) + 1
            } else {
                0
            };
            (0..count).map(|_| dice.pick(from).to_owned()).collect()
        };
        let ignore = some(15, &PATTERNS, 1);
        let ignore_groups = some(10, &["base", "base*", "tool?", "[!b]*"], 1);
        let assumed = some(
            25,
            &["v", "a", "b=1-1", "c=2", "liba.so=1-64", "w=1:0.5"],
            2,
        );
        let repositories: Vec<_> = repositories
            .iter()
            .map(|name| (*name, entries(&mut dice, conflicts)))
            .collect();
        let names: Vec<&str> = repositories.iter().map(|(name, _)| *name).collect();
        let targets = (0..dice.below(4) + 1).map(|_| target(&mut dice, &names));
        Self {
            targets: targets.collect(),
            repositories,
            ignore,
            ignore_groups,
            assumed,
        }
    }
}

fn target(dice: &mut Dice, repositories: &[&str]) -> String {
    let name = match dice.below(20) {
        0..3 => dice.pick(&GROUPS).to_owned(),
        3 if dice.percent(30) => "nothing".to_owned(),
        4..7 => wish(dice, false),
        _ => dice.pick(&NAMES).to_owned(),
    };
    match dice.below(12) {
        0 => format!("{}/{name}", dice.pick(repositories)),
        1 if dice.percent(15) => format!("nowhere/{name}"),
        _ => name,
    }
}

/// A dependency, or what is assumed to be there.
fn wish(dice: &mut Dice, odd: bool) -> String {
    let name = match dice.below(4) {
        0 => dice.pick(&VIRTUAL),
        _ => dice.pick(&NAMES),
    };
    if dice.percent(88) {
        return name.to_owned();
    }
    // Mostly such that something will do.
    let comparison = dice.pick(&[">=", ">=", ">=", "=", "<", "<=", ">"]);
    let version = match odd {
        true => dice.pick(&LOOSE),
        false => dice.pick(&["1", "1", "1-1", "1.1", "2", "1-64", "1:0.5-1"]),
    };
    format!("{name}{comparison}{version}")
}

fn entries(dice: &mut Dice, conflicts: bool) -> Vec<Entry> {
    let mut names: Vec<&str> = NAMES.to_vec();
    names.retain(|_| dice.percent(94));
    // Databases are in the order in which packages were added.
    for i in (1..names.len()).rev() {
        names.swap(i, dice.below(i + 1));
    }
    names
        .into_iter()
        .map(|name| entry(dice, name, conflicts))
        .collect()
}

fn entry(dice: &mut Dice, name: &str, conflicts: bool) -> Entry {
    let version = dice.pick(&VERSIONS).to_owned();
    let mut fields = Vec::new();
    let needs_most = if dice.percent(50) { 1 } else { 3 };
    let mut list = |heading, most: usize, make: &mut dyn FnMut(&mut Dice) -> String| {
        let count = dice.below(most + 1);
        let values: Vec<String> = (0..count).map(|_| make(dice)).collect();
        if !values.is_empty() {
            fields.push((heading, values));
        }
    };
    list("%GROUPS%", 1, &mut |dice| dice.pick(&GROUPS).to_owned());
    list("%DEPENDS%", needs_most, &mut |dice| {
        let odd = dice.percent(10);
        wish(dice, odd)
    });
    list("%OPTDEPENDS%", 1, &mut |dice| {
        wish(dice, true) + ": for all"
    });
    list("%PROVIDES%", 3, &mut |dice| {
        let name = match dice.below(6) {
            // Of a version that it does not have itself, perhaps.
            0 => name,
            1..3 => dice.pick(&NAMES),
            _ => dice.pick(&VIRTUAL),
        };
        match dice.below(10) {
            0..5 => name.to_owned(),
            5..7 => format!("{name}={}", dice.pick(&VERSIONS)),
            7..9 => format!("{name}={}", dice.pick(&LOOSE)),
            _ => format!("{name}>={}", dice.pick(&LOOSE)),
        }
    });
    list("%REPLACES%", 1, &mut |dice| wish(dice, true));
    if conflicts && dice.percent(35) {
        let other = match dice.percent(50) {
            true => wish(dice, false),
            false => dice.pick(&NAMES).to_owned(),
        };
        // Mostly what takes the place of something is in conflict with it.
        if dice.percent(60) {
            fields.push(("%PROVIDES%", vec![other.clone()]));
        }
        fields.push(("%CONFLICTS%", vec![other]));
    }
    Entry {
        name: name.to_owned(),
        version,
        fields,
    }
}

impl Entry {
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}-any.pkg.tar.zst", self.name, self.version)
    }

    fn desc(&self) -> String {
        let (name, version, file) = (&self.name, &self.version, self.file_name());
        let mut text = format!(
            "%FILENAME%\n{file}\n\n%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%CSIZE%\n1000\n\n"
        );
        for (heading, lines) in &self.fields {
            text.push_str(&format!("{heading}\n{}\n\n", lines.join("\n")));
        }
        text
    }
}

/// A repository's database, compressed like those of Arch or not at all.
pub(super) fn database(entries: &[Entry], compressed: bool) -> Vec<u8> {
    let mut files = Vec::new();
    for entry in entries {
        let folder = format!("{}-{}", entry.name, entry.version);
        files.push((format!("{folder}/"), None));
        files.push((format!("{folder}/desc"), Some(entry.desc())));
    }
    let tar = tar(&files);
    if !compressed {
        return tar;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    gzip.finish().unwrap()
}

/// A tar of files, and of folders where there is no content.
pub(super) fn tar(files: &[(String, Option<String>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        header.set_mode(if content.is_some() { 0o644 } else { 0o755 });
        header.set_size(content.as_ref().map_or(0, String::len) as u64);
        if content.is_none() {
            header.set_entry_type(tar::EntryType::Directory);
        }
        // Not `append_data`, which refuses the paths of some tests.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        let content = content.as_deref().unwrap_or_default();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}
