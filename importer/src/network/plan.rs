//! What an import is about to do, said before it is done.

use super::{FILE, NetworkRequest, Plan, file};
use crate::places::Places;
use hatchery_image::MachineName;
use hatchery_image::progress::{Progress, Stage};
use hatchery_image::settings::Nspawn;
use std::fmt::Display;

/// Says what will be installed, written, enabled and started, and warns.
pub(crate) fn announce(
    name: &MachineName,
    (request, plan): (&NetworkRequest, &Plan),
    settings: Option<&Nspawn>,
    places: &Places,
    progress: &Progress,
) {
    for line in lines(name, (request, plan), settings, places) {
        progress.message(Stage::Settings, line);
    }
    for line in &plan.warnings {
        progress.warn(line.clone());
    }
}

fn lines(
    name: &MachineName,
    (request, plan): (&NetworkRequest, &Plan),
    settings: Option<&Nspawn>,
    places: &Places,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(settings) = settings {
        let path = places.settings_of(name);
        let text = of_settings(settings);
        lines.push(format!("will install {}: {text}", path.display()));
    }
    if file::is_needed(&plan.host0) {
        let host0 = &plan.host0;
        let mut parts = Vec::new();
        parts.extend(list("address", host0.address.iter()));
        parts.extend(list("gateway", host0.gateway.iter()));
        parts.extend(list("DNS", host0.dns.iter()));
        let text = parts.join(", ");
        lines.push(format!("will write /{FILE} in the machine: {text}"));
    }
    if request.enable {
        lines.push(format!(
            "will enable {name}, to start whenever this host boots"
        ));
    }
    if request.start {
        lines.push(format!("will start {name}"));
    }
    lines
}

fn of_settings(settings: &Nspawn) -> String {
    let text = settings.render();
    let is_setting = |line: &&str| !line.is_empty() && !line.starts_with('[');
    let settings: Vec<_> = text.lines().filter(is_setting).collect();
    settings.join(", ")
}

fn list<T: Display>(what: &str, values: impl Iterator<Item = T>) -> Option<String> {
    let words: Vec<_> = values.map(|value| value.to_string()).collect();
    (!words.is_empty()).then(|| format!("{what} {}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_said_beforehand() {
        let name = "web".parse().unwrap();
        let request = NetworkRequest {
            start: true,
            enable: true,
            ..NetworkRequest::default()
        };
        let plan = Plan {
            host0: serde_json::from_str(
                r#"{"address": "172.23.0.2/24", "gateway": "172.23.0.1", "dns": "9.9.9.9"}"#,
            )
            .unwrap(),
            warnings: Vec::new(),
        };
        let settings = Nspawn::parse("[Network]\nBridge=br0\nPort=tcp:8080:80\n").unwrap();
        let places = Places::default();
        let lines = lines(&name, (&request, &plan), Some(&settings), &places);
        assert_eq!(
            lines,
            [
                "will install /etc/systemd/nspawn/web.nspawn: Bridge=br0, Port=tcp:8080:80",
                "will write /etc/systemd/network/05-hatchery-host0.network in the machine: \
                 address 172.23.0.2/24, gateway 172.23.0.1, DNS 9.9.9.9",
                "will enable web, to start whenever this host boots",
                "will start web",
            ]
        );
        let nothing = super::lines(
            &name,
            (&NetworkRequest::default(), &Plan::default()),
            None,
            &places,
        );
        assert!(nothing.is_empty());
    }
}
