//! Users and groups by name: which numbers those get that scripts make depends
//! on the order in which packages are configured, and nobody relies on it.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Numbers that are given away to whoever asks: Debian policy, 9.2.2.
const DYNAMIC: Range<u32> = 100..1000;

/// The accounts of a tree.
#[derive(Debug)]
pub(super) struct Accounts {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Accounts {
    pub(super) fn read(root: &Path) -> Self {
        let read = |name| {
            let text = fs::read_to_string(root.join("etc").join(name)).unwrap();
            let entry = |line: &str| {
                let mut fields = line.split(':');
                let name = fields.next().unwrap().to_owned();
                (fields.nth(1).unwrap().parse().unwrap(), name)
            };
            text.lines().map(entry).collect()
        };
        Self {
            users: read("passwd"),
            groups: read("group"),
        }
    }

    /// Names of a user and a group; a number that nobody has stays one.
    pub(super) fn names(&self, user: u32, group: u32) -> (String, String) {
        let name = |names: &HashMap<u32, String>, id: u32| {
            let name = names.get(&id).cloned();
            name.unwrap_or_else(|| id.to_string())
        };
        (name(&self.users, user), name(&self.groups, group))
    }

    /// A passwd(5) or group(5) in which numbers that were given away are left
    /// out, and a user's group is named.
    pub(super) fn without_numbers(&self, path: &Path, text: &[u8]) -> Option<Vec<u8>> {
        let is_passwd = path.ends_with("etc/passwd");
        if !is_passwd && !path.ends_with("etc/group") {
            return None;
        }
        let mut lines = Vec::new();
        for line in std::str::from_utf8(text).ok()?.lines() {
            let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
            let is_dynamic = |field: &str| field.parse().is_ok_and(|id| DYNAMIC.contains(&id));
            if is_passwd && is_dynamic(&fields[3]) {
                let group = fields[3].parse().ok()?;
                fields[3] = self.groups.get(&group)?.clone();
            }
            if is_dynamic(&fields[2]) {
                fields[2].clear();
            }
            lines.push(fields.join(":"));
        }
        Some(lines.join("\n").into_bytes())
    }
}
