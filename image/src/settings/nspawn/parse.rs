//! The text of a `.nspawn` file to settings.
//!
//! Only what [`Nspawn`] covers is read, so that a file from elsewhere is
//! understood whole or not at all: what an importer shows and installs is
//! what was parsed, never the bytes that came with an image.

use super::value::{
    Bind, BindOption, EnvironmentName, EnvironmentValue, LinkJournal, Ownership, ResolvConf,
    TimezoneMode,
};
use super::{Contradiction, Nspawn};
use crate::settings::text::{AbsolutePath, InvalidText};
use std::str::FromStr;

/// Largest `.nspawn` file that is read, in bytes.
pub const NSPAWN_MAX: usize = 64 << 10;

/// Why a text is not a `.nspawn` file that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NspawnError {
    /// It is over [`NSPAWN_MAX`].
    #[error("the settings are larger than {NSPAWN_MAX} bytes")]
    TooLarge,
    /// A line that is neither section, setting, comment nor empty.
    #[error("line {line} is neither a [Section] nor a Setting=")]
    Syntax {
        /// Counted from 1.
        line: usize,
    },
    /// A setting that this program does not know in this section.
    #[error("line {line}: {setting}= in [{section}] is not known, so what it does cannot be told")]
    Unknown {
        /// Counted from 1.
        line: usize,
        /// Its section.
        section: String,
        /// Its name.
        setting: String,
    },
    /// A wrong value.
    #[error("line {line}: {setting}= has a wrong value")]
    Value {
        /// Counted from 1.
        line: usize,
        /// Its name.
        setting: String,
        /// What is wrong with it.
        #[source]
        source: InvalidText,
    },
    /// Settings that do not go together.
    #[error("the settings do not go together")]
    Contradiction(#[from] Contradiction),
}

impl Nspawn {
    /// Reads the text of a `.nspawn` file.
    ///
    /// # Errors
    /// The first line that cannot be used, and why.
    pub fn parse(text: &str) -> Result<Self, NspawnError> {
        if text.len() > NSPAWN_MAX {
            return Err(NspawnError::TooLarge);
        }
        let mut settings = Self::default();
        let mut section = "";
        for (number, line) in text.lines().enumerate() {
            let (number, line) = (number + 1, line.trim());
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name;
                continue;
            }
            let (key, value) = match line.split_once('=') {
                // A trailing backslash would join the next line.
                Some((key, value)) if !value.ends_with('\\') || value.ends_with("\\\\") => {
                    (key.trim(), value.trim())
                }
                _ => return Err(NspawnError::Syntax { line: number }),
            };
            let known = settings.set(section, key, value);
            match known.map_err(|source| NspawnError::Value {
                line: number,
                setting: key.to_owned(),
                source,
            })? {
                Known::Yes => {}
                Known::No => {
                    return Err(NspawnError::Unknown {
                        line: number,
                        section: section.to_owned(),
                        setting: key.to_owned(),
                    });
                }
            }
        }
        settings.check()?;
        Ok(settings)
    }

    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<Known, InvalidText> {
        match section {
            "Exec" => self.set_exec(key, value),
            "Files" => self.set_files(key, value),
            "Network" => self.set_network(key, value),
            _ => Ok(Known::No),
        }
    }

    fn set_exec(&mut self, key: &str, value: &str) -> Result<Known, InvalidText> {
        match key {
            "Boot" => self.boot = Some(flag(value)?),
            "Ephemeral" => self.ephemeral = Some(flag(value)?),
            "Environment" => {
                let (name, value) = assignment(value)?;
                self.environment.insert(name, value);
            }
            "Capability" => words(&mut self.capabilities, value)?,
            "DropCapability" => words(&mut self.drop_capabilities, value)?,
            "NoNewPrivileges" => self.no_new_privileges = Some(flag(value)?),
            "PrivateUsers" => {
                self.private_users = Some(match flag(value) {
                    Ok(true) => super::PrivateUsers::Yes,
                    Ok(false) => super::PrivateUsers::No,
                    Err(_) => value.parse()?,
                });
            }
            "NotifyReady" => self.notify_ready = Some(flag(value)?),
            "SystemCallFilter" => words(&mut self.system_calls, value)?,
            "ResolvConf" => {
                self.resolv_conf = Some(word(value, ResolvConf::from_word)?);
            }
            "Timezone" => self.timezone = Some(word(value, TimezoneMode::from_word)?),
            "LinkJournal" => self.link_journal = Some(word(value, LinkJournal::from_word)?),
            "SuppressSync" => self.suppress_sync = Some(flag(value)?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn set_files(&mut self, key: &str, value: &str) -> Result<Known, InvalidText> {
        match key {
            "ReadOnly" => self.read_only = Some(flag(value)?),
            "Bind" => self.binds.push(bind(value, false)?),
            "BindReadOnly" => self.binds.push(bind(value, true)?),
            "TemporaryFileSystem" => match split(value)?.as_slice() {
                [path] => self.temporary_file_systems.push(path.parse()?),
                _ => return Err(InvalidText::new("a single path", value, "it has options")),
            },
            "Inaccessible" => self.inaccessible.push(value.parse()?),
            "PrivateUsersOwnership" => {
                self.private_users_ownership = Some(word(value, Ownership::from_word)?);
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn set_network(&mut self, key: &str, value: &str) -> Result<Known, InvalidText> {
        match key {
            "Private" => self.private_network = Some(flag(value)?),
            "VirtualEthernet" => self.virtual_ethernet = Some(flag(value)?),
            "Bridge" => self.bridge = Some(value.parse()?),
            "Zone" => self.zone = Some(value.parse()?),
            "MACVLAN" => words(&mut self.macvlan, value)?,
            "IPVLAN" => words(&mut self.ipvlan, value)?,
            "Interface" => words(&mut self.interfaces, value)?,
            "Port" => self.ports.push(value.parse()?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

enum Known {
    Yes,
    No,
}

/// systemd's booleans.
fn flag(value: &str) -> Result<bool, InvalidText> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
        _ => Err(InvalidText::new("yes or no", value, "it is another word")),
    }
}

fn word<T>(value: &str, known: impl Fn(&str) -> Option<T>) -> Result<T, InvalidText> {
    known(value).ok_or_else(|| InvalidText::new("a known word", value, "it is another word"))
}

fn words<T: FromStr<Err = InvalidText>>(list: &mut Vec<T>, value: &str) -> Result<(), InvalidText> {
    for word in value.split_whitespace() {
        list.push(word.parse()?);
    }
    Ok(())
}

fn assignment(value: &str) -> Result<(EnvironmentName, EnvironmentValue), InvalidText> {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    if inner.is_none() && value.contains(char::is_whitespace) {
        return Err(InvalidText::new(
            "one assignment",
            value,
            "spaces need quotes around the whole",
        ));
    }
    let (name, value) = inner
        .unwrap_or(value)
        .split_once('=')
        .ok_or_else(|| InvalidText::new("an assignment", value, "there is no '='"))?;
    Ok((name.parse()?, value.parse()?))
}

fn bind(value: &str, read_only: bool) -> Result<Bind, InvalidText> {
    let parts = split(value)?;
    let path = |n: usize| -> Result<Option<AbsolutePath>, InvalidText> {
        parts
            .get(n)
            .filter(|p| !p.is_empty())
            .map(|p| p.parse())
            .transpose()
    };
    let source = path(0)?.ok_or_else(|| InvalidText::new("a bind", value, "it is empty"))?;
    if parts.len() > 3 {
        return Err(InvalidText::new(
            "a bind",
            value,
            "it has more than three parts",
        ));
    }
    let mut options = Vec::new();
    for option in parts.get(2).map(String::as_str).unwrap_or("").split(',') {
        if !option.is_empty() {
            options.push(word(option, BindOption::from_word)?);
        }
    }
    Ok(Bind {
        source,
        target: path(1)?,
        read_only,
        options,
    })
}

impl FromStr for Bind {
    type Err = InvalidText;

    /// Reads `SOURCE[:TARGET[:OPTIONS]]` as `Bind=` has it; one that ends in
    /// `:ro` can only be read.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text.strip_suffix(":ro") {
            Some(text) => bind(text, true),
            None => bind(text, false),
        }
    }
}

/// Splits at colons that no backslash precedes.
fn split(value: &str) -> Result<Vec<String>, InvalidText> {
    let mut parts = vec![String::new()];
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        let last = parts.last_mut().expect("one part is there from the start");
        match c {
            ':' => parts.push(String::new()),
            '\\' => match characters.next() {
                Some(c @ (':' | '\\')) => last.push(c),
                _ => {
                    return Err(InvalidText::new(
                        "a path",
                        value,
                        "a backslash comes only before ':' and '\\'",
                    ));
                }
            },
            c => last.push(c),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
        "boot": true, "ephemeral": false, "environment": {"LANG": "C.UTF-8", "GREETING": "hello there"},
        "capabilities": ["CAP_NET_ADMIN", "CAP_SYS_NICE"], "drop_capabilities": ["CAP_MKNOD"],
        "no_new_privileges": true, "private_users": "pick", "private_users_ownership": "auto",
        "notify_ready": true, "system_calls": ["@keyring", "~bpf"], "resolv_conf": "off", "timezone": "off",
        "link_journal": "try-guest", "suppress_sync": true, "read_only": false,
        "binds": [
            {"source": "/srv/x", "target": "/srv/share"},
            {"source": "/srv/a:b\\c", "read_only": true},
            {"source": "/srv/y", "options": ["norbind", "rootidmap"]}
        ],
        "temporary_file_systems": ["/scratch"], "inaccessible": ["/boot"],
        "private_network": true, "virtual_ethernet": true, "bridge": "br0", "macvlan": ["eth0", "eth1"],
        "ports": ["tcp:8080:80", "udp:53"]
    }"#;

    const TEXT: &str = "[Exec]\nBoot=yes\nEphemeral=no\nEnvironment=\"GREETING=hello there\"\n\
        Environment=\"LANG=C.UTF-8\"\nCapability=CAP_NET_ADMIN CAP_SYS_NICE\nDropCapability=CAP_MKNOD\n\
        NoNewPrivileges=yes\nPrivateUsers=pick\nNotifyReady=yes\nSystemCallFilter=@keyring ~bpf\n\
        ResolvConf=off\nTimezone=off\nLinkJournal=try-guest\nSuppressSync=yes\n\n\
        [Files]\nReadOnly=no\nBind=/srv/x:/srv/share\nBindReadOnly=/srv/a\\:b\\\\c\n\
        Bind=/srv/y:/srv/y:norbind,rootidmap\nTemporaryFileSystem=/scratch\nInaccessible=/boot\n\
        PrivateUsersOwnership=auto\n\n\
        [Network]\nPrivate=yes\nVirtualEthernet=yes\nBridge=br0\nMACVLAN=eth0 eth1\nPort=tcp:8080:80\n\
        Port=udp:53:53\n";

    #[test]
    fn every_setting_is_rendered_and_read_back() {
        let nspawn: Nspawn = serde_json::from_str(FULL).unwrap();
        assert_eq!(nspawn.render(), TEXT);
        let parsed = Nspawn::parse(TEXT).unwrap();
        assert_eq!(parsed.render(), TEXT);
        // The third bind's target is written out.
        assert_eq!(parsed.binds[..2], nspawn.binds[..2]);
        assert_eq!(parsed.binds[1].source.as_str(), "/srv/a:b\\c");
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (text, message) in [
            (
                "[Exec]\nMachineID=1\n",
                "line 2: MachineID= in [Exec] is not known, so what it does cannot be told",
            ),
            (
                "Boot=yes\n",
                "line 1: Boot= in [] is not known, so what it does cannot be told",
            ),
            (
                "[Exec]\nBoot\n",
                "line 2 is neither a [Section] nor a Setting=",
            ),
            (
                "[Exec]\nBoot=ye\\\ns\n",
                "line 2 is neither a [Section] nor a Setting=",
            ),
            (
                "[Files]\n# x\nBind=/a:/b:/c:/d\n",
                "line 3: Bind= has a wrong value",
            ),
            ("[Files]\nBind=a\n", "line 2: Bind= has a wrong value"),
            (
                "[Network]\nBridge=br0\nZone=x\n",
                "the settings do not go together",
            ),
        ] {
            assert_eq!(Nspawn::parse(text).unwrap_err().to_string(), message);
        }
        assert_eq!(
            Nspawn::parse(&"#".repeat(NSPAWN_MAX + 1)),
            Err(NspawnError::TooLarge)
        );
    }

    #[test]
    fn forms_that_systemd_accepts_are_read() {
        let text =
            "; comment\n\n[Exec]\nPrivateUsers = 0\nBoot = on\n[Files]\nBind = /a::norbind\n";
        let parsed = Nspawn::parse(text).unwrap();
        assert_eq!(
            parsed.private_users,
            Some(crate::settings::nspawn::PrivateUsers::No)
        );
        assert_eq!(parsed.boot, Some(true));
        assert_eq!(parsed.binds[0].target, None);
    }

    #[test]
    fn a_bind_is_read_as_an_administrator_types_it() {
        let bind = |text: &str| text.parse::<Bind>().unwrap();
        let both = bind("/srv/www:/var/www:ro");
        assert!(both.read_only);
        assert_eq!(both.target().as_str(), "/var/www");
        let same = bind("/srv/www:ro");
        assert!(same.read_only && same.target.is_none());
        assert_eq!(bind("/a:/b:idmap").options.len(), 1);
        for text in ["", "srv", "/a:/b:rw", "/a:/b:ro:x"] {
            assert!(text.parse::<Bind>().is_err(), "{text}");
        }
    }
}
