//! The files that passwd(5), group(5), shadow(5) and gshadow(5) describe:
//! lines of fields with colons between them. Lines that are not touched stay
//! byte for byte, in their order.

/// One such file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    lines: Vec<String>,
}

impl Table {
    pub(super) fn parse(text: &str) -> Self {
        Self {
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    pub(super) fn render(&self) -> String {
        let mut text = self.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    /// The fields of each line that has any.
    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let has_fields = |l: &&String| l.contains(':') && !l.starts_with('#');
        self.lines
            .iter()
            .filter(has_fields)
            .map(|l| l.split(':').collect())
    }

    /// The line of a name.
    pub(super) fn row(&self, name: &str) -> Option<Vec<&str>> {
        self.rows().find(|fields| fields.first() == Some(&name))
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.rows()
            .filter_map(|fields| fields.first().copied())
            .collect()
    }

    pub(super) fn push(&mut self, fields: &[&str]) {
        self.lines.push(fields.join(":"));
    }

    /// Sets one field of a name's line; the others stay.
    pub(super) fn set(&mut self, name: &str, field: usize, value: &str) {
        for line in &mut self.lines {
            let mut fields: Vec<&str> = line.split(':').collect();
            if fields.first() == Some(&name) && fields.len() > field {
                fields[field] = value;
                *line = fields.join(":");
            }
        }
    }

    /// Adds a member to the list in one field of a group's line.
    pub(super) fn join(&mut self, group: &str, field: usize, member: &str) {
        let Some(row) = self.row(group) else { return };
        let Some(members) = row.get(field).copied() else {
            return;
        };
        let joined = match members {
            "" => member.to_owned(),
            _ if members.split(',').any(|m| m == member) => return,
            _ => format!("{members},{member}"),
        };
        self.set(group, field, &joined);
    }
}
