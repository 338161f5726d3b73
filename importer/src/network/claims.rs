//! Ports of the host that belong to somebody already: to another machine, by
//! its settings, which is refused; or to a program of the host, which is told.

use super::{HostNetwork, Listener, NetworkError};
use hatchery_image::MachineName;
use hatchery_image::settings::nspawn::{NSPAWN_MAX, Port};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most settings files that are looked at.
const FILES_MAX: usize = 10_000;

/// Refuses ports that the settings of another machine in `folder` have.
pub(super) fn check(name: &MachineName, ports: &[Port], folder: &Path) -> Result<(), NetworkError> {
    if ports.is_empty() {
        return Ok(());
    }
    let own = format!("{name}.nspawn");
    for path in files(folder).map_err(failed("list", folder))? {
        if path.file_name().is_some_and(|found| found == own.as_str()) {
            continue;
        }
        let theirs = claimed(&read(&path).map_err(failed("read", &path))?);
        let same = |p: &&Port| {
            theirs
                .iter()
                .any(|t| (t.protocol, t.host) == (p.protocol, p.host))
        };
        if let Some(port) = ports.iter().find(same) {
            let port = *port;
            return Err(NetworkError::PortTaken { port, path });
        }
    }
    Ok(())
}

/// A line for each port on which something on the host listens.
pub(super) fn listened(ports: &[Port], host: &HostNetwork) -> Vec<String> {
    if ports.is_empty() {
        return Vec::new();
    }
    let listeners = host.listeners.get();
    let is_taken = |port: &&Port| {
        listeners.contains(&Listener {
            protocol: port.protocol,
            port: port.host,
        })
    };
    let line = |port: &Port| {
        let Port { protocol, host, .. } = port;
        format!(
            "something on this host listens on port {protocol}:{host}; \
             once the machine runs, what comes from outside goes to the machine instead"
        )
    };
    ports.iter().filter(is_taken).map(line).collect()
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries.take(FILES_MAX) {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "nspawn") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(NSPAWN_MAX as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The ports of a settings file of anybody's, in which there may be settings
/// that this program does not know.
fn claimed(text: &str) -> Vec<Port> {
    let mut ports = Vec::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=')
            && section == "Network"
            && key.trim() == "Port"
            && let Ok(port) = value.trim().parse()
        {
            ports.push(port);
        }
    }
    ports
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NetworkError {
    let path = path.to_owned();
    move |source| NetworkError::Settings {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::settings::nspawn::Protocol;

    fn ports(texts: &[&str]) -> Vec<Port> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_port_belongs_to_one_machine() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other.nspawn");
        let text = "# Port=tcp:1:1\n[Exec]\nPort=tcp:2:2\n[Network]\nOdd=x\nPort = 8080:80\n";
        fs::write(&other, text).unwrap();
        fs::write(dir.path().join("web.nspawn"), "[Network]\nPort=3:3\n").unwrap();
        fs::write(dir.path().join("notes"), "[Network]\nPort=4:4\n").unwrap();
        let name = "web".parse().unwrap();
        let free = ports(&["udp:8080:80", "1:8080", "2", "3", "4"]);
        check(&name, &free, dir.path()).unwrap();
        let error = check(&name, &ports(&["8080:443"]), dir.path()).unwrap_err();
        assert!(matches!(&error, NetworkError::PortTaken { path, .. } if *path == other));
        check(&name, &ports(&["8080"]), &dir.path().join("absent")).unwrap();
    }

    #[test]
    fn a_port_on_which_the_host_listens_is_told() {
        let host = HostNetwork {
            listeners: vec![Listener {
                protocol: Protocol::Tcp,
                port: 8080,
            }]
            .into(),
            ..HostNetwork::default()
        };
        let lines = listened(&ports(&["udp:8080:80", "8080:80", "80"]), &host);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("tcp:8080"), "{lines:?}");
    }
}
