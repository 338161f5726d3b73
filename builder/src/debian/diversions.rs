//! Files that one package moves out of the way of another: dpkg-divert(1),
//! as recorded in `/var/lib/dpkg/diversions`.
//!
//! Three lines each: the path, where it is diverted to, and the package whose
//! own file stays at the path (`:` for the administrator's).

/// One diversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// Path beneath the root, as packages say it.
    pub from: Vec<u8>,
    /// Where others' files go instead.
    pub to: Vec<u8>,
    /// Whose file is not diverted; empty: nobody's.
    pub package: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diversions {
    list: Vec<Diversion>,
}

impl Diversions {
    /// Reads the text of the file. Lines that make no sense are passed over:
    /// dpkg itself, which runs later, complains about them.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
        let list = lines
            .chunks_exact(3)
            .filter_map(|chunk| {
                let package = String::from_utf8_lossy(chunk[2]).into_owned();
                Some(Diversion {
                    from: chunk[0].strip_prefix(b"/")?.to_vec(),
                    to: chunk[1].strip_prefix(b"/")?.to_vec(),
                    package: if package == ":" {
                        String::new()
                    } else {
                        package
                    },
                })
            })
            .collect();
        Self { list }
    }

    /// Where `package` has its file `path`, if not there.
    #[must_use]
    pub fn target(&self, path: &[u8], package: &str) -> Option<&[u8]> {
        self.list
            .iter()
            .find(|d| d.from == path && d.package != package)
            .map(|d| d.to.as_slice())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Diversion> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_but_the_diverting_package_is_diverted() {
        let text = b"/bin/x\n/bin/x.real\nmine\n/a b\n/a c\n:\n";
        let diversions = Diversions::parse(text);
        assert_eq!(diversions.iter().count(), 2);
        assert_eq!(
            diversions.target(b"bin/x", "other"),
            Some(&b"bin/x.real"[..])
        );
        assert_eq!(diversions.target(b"bin/x", "mine"), None);
        assert_eq!(diversions.target(b"a b", "mine"), Some(&b"a c"[..]));
        assert_eq!(diversions.target(b"a", "mine"), None);
        assert_eq!(Diversions::parse(b""), Diversions::default());
    }
}
