//! Settings to the text of a `.nspawn` file.

use super::{Bind, Nspawn};
use crate::settings::host0::join;
use std::fmt::{Display, Write as _};

/// One section; written only if something is in it.
#[derive(Default)]
struct Section {
    lines: String,
}

impl Section {
    fn set(&mut self, key: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.lines, "{key}={value}");
    }

    fn flag(&mut self, key: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.set(key, if value { "yes" } else { "no" });
        }
    }

    fn words<T: Display>(&mut self, key: &str, values: &[T]) {
        if !values.is_empty() {
            self.set(key, join(values));
        }
    }

    fn each<T: Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.set(key, value);
        }
    }
}

impl Nspawn {
    /// The text of the `.nspawn` file. The same settings give the same bytes.
    #[must_use]
    pub fn render(&self) -> String {
        let sections = [
            ("Exec", self.exec()),
            ("Files", self.files()),
            ("Network", self.network()),
        ];
        let parts: Vec<String> = sections
            .into_iter()
            .filter(|(_, section)| !section.lines.is_empty())
            .map(|(name, section)| format!("[{name}]\n{}", section.lines))
            .collect();
        parts.join("\n")
    }

    /// The text to publish beside an image; none if nothing is set.
    #[must_use]
    pub fn published(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.render())
    }

    fn exec(&self) -> Section {
        let mut section = Section::default();
        section.flag("Boot", self.boot);
        section.flag("Ephemeral", self.ephemeral);
        for (name, value) in &self.environment {
            section.set("Environment", format_args!("\"{name}={value}\""));
        }
        section.words("Capability", &self.capabilities);
        section.words("DropCapability", &self.drop_capabilities);
        section.flag("NoNewPrivileges", self.no_new_privileges);
        section.each("PrivateUsers", self.private_users);
        section.flag("NotifyReady", self.notify_ready);
        section.words("SystemCallFilter", &self.system_calls);
        section.each("ResolvConf", self.resolv_conf.map(|v| v.word()));
        section.each("Timezone", self.timezone.map(|v| v.word()));
        section.each("LinkJournal", self.link_journal.map(|v| v.word()));
        section.flag("SuppressSync", self.suppress_sync);
        section
    }

    fn files(&self) -> Section {
        let mut section = Section::default();
        section.flag("ReadOnly", self.read_only);
        for bind in &self.binds {
            let key = if bind.read_only {
                "BindReadOnly"
            } else {
                "Bind"
            };
            section.set(key, bind_value(bind));
        }
        section.each(
            "TemporaryFileSystem",
            self.temporary_file_systems
                .iter()
                .map(|p| escape(p.as_str())),
        );
        section.each("Inaccessible", &self.inaccessible);
        section.each(
            "PrivateUsersOwnership",
            self.private_users_ownership.map(|v| v.word()),
        );
        section
    }

    fn network(&self) -> Section {
        let mut section = Section::default();
        section.flag("Private", self.private_network);
        section.flag("VirtualEthernet", self.virtual_ethernet);
        section.each("Bridge", &self.bridge);
        section.each("Zone", &self.zone);
        section.words("MACVLAN", &self.macvlan);
        section.words("IPVLAN", &self.ipvlan);
        section.words("Interface", &self.interfaces);
        section.each("Port", &self.ports);
        section
    }
}

fn bind_value(bind: &Bind) -> String {
    let mut value = escape(bind.source.as_str());
    if bind.target.is_some() || !bind.options.is_empty() {
        value.push(':');
        value.push_str(&escape(bind.target().as_str()));
    }
    if !bind.options.is_empty() {
        let options: Vec<&str> = bind.options.iter().map(|o| o.word()).collect();
        value.push(':');
        value.push_str(&options.join(","));
    }
    value
}

/// A path in a list that is split at colons.
fn escape(path: &str) -> String {
    path.replace('\\', "\\\\").replace(':', "\\:")
}
