//! TLS: several listeners, versions, HTTP/2, and certificates that change.

use super::curl::{body, curl, tells};
use super::process::{Served, until};
use super::store;
use crate::hatchery::{Home, shell};
use hatchery_tests::Need;
use hatchery_tests::need::require;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A certificate for `localhost`, signed by itself, and its key.
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pair {
    pub(super) fn write(folder: &Path) -> Self {
        let pair = Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(&pair.certificate, made.cert.pem()).unwrap();
        fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
        pair
    }

    /// A copy that stays when the files change.
    pub(super) fn authority(&self, name: &str) -> String {
        let copy = self.certificate.with_file_name(name);
        fs::copy(&self.certificate, &copy).unwrap();
        copy.to_str().unwrap().to_owned()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The address by the name that the certificate is for.
pub(super) fn named(address: &str) -> String {
    address.replace("127.0.0.1", "localhost")
}

fn serve(home: &Path, pair: &Pair) -> Served {
    let root = store::make(home);
    let listen = ["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
    let files = [
        "--certificate",
        text(&pair.certificate),
        "--key",
        text(&pair.key),
    ];
    let arguments = [&["--store", text(&root)][..], &listen, &files].concat();
    Served::start(home, &arguments, 2)
}

#[test]
fn one_store_is_served_plainly_and_over_tls_by_every_version_of_http() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let pair = Pair::write(home.path());
    let authority = pair.authority("authority.pem");
    let served = serve(home.path(), &pair);
    let (plain, tls) = (&served.addresses[0], named(&served.addresses[1]));
    assert!(plain.starts_with("http://") && tls.starts_with("https://"));
    let (plain, tls) = (
        format!("{plain}{}", store::ARCHIVE),
        format!("{tls}{}", store::ARCHIVE),
    );
    let told = "%{http_code} %{http_version} %{size_download}";
    let all = store::LENGTH;
    for (arguments, version) in [
        (&["--http1.1", &plain][..], "1.1"),
        (&["--http2-prior-knowledge", &plain], "2"),
        (&["--cacert", &authority, &tls], "2"),
        (&["--cacert", &authority, "--http1.1", &tls], "1.1"),
        (&["--cacert", &authority, "--tls-max", "1.2", &tls], "2"),
        (&["--cacert", &authority, "--tlsv1.3", &tls], "2"),
    ] {
        let expected = format!("200 {version} {all}");
        assert_eq!(tells(told, arguments), expected, "{arguments:?}");
    }
    let old = curl(&["--cacert", &authority, "--tls-max", "1.1", &tls]);
    assert_ne!(old.code, Some(0), "TLS 1.1 is spoken");
    let distrusted = curl(&[&tls]);
    assert_eq!(distrusted.code, Some(60), "{distrusted:?}");
    // Plain HTTP where TLS is spoken is neither answered nor a crash.
    let confused = curl(&[&tls.replace("https://", "http://")]);
    assert_ne!(confused.code, Some(0), "{confused:?}");
    assert!(
        body(&[
            "--cacert",
            &authority,
            &tls.replace(store::ARCHIVE, store::SUMS)
        ])
        .len()
            > 64
    );
}

#[test]
fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let pair = Pair::write(home.path());
    let first = pair.authority("first.pem");
    let served = serve(home.path(), &pair);
    let url = named(&served.addresses[1]) + store::SUMS;
    let trusts = |authority: &str| curl(&["--fail", "--cacert", authority, &url]).code == Some(0);
    assert!(trusts(&first));
    fs::write(&pair.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
    served.says("the one before it is kept");
    assert!(trusts(&first), "the certificate before it is gone");
    let second = Pair::write(home.path()).authority("second.pem");
    until("the new certificate", || trusts(&second).then_some(()));
    assert!(!trusts(&first));
    served.says("a new certificate is used");
}

#[test]
fn a_session_is_resumed() {
    if !require(&[Need::Program("openssl")]) {
        return;
    }
    let home = Home::new();
    let pair = Pair::write(home.path());
    let served = serve(home.path(), &pair);
    let address = served.addresses[1].trim_start_matches("https://");
    // The ticket comes after the handshake, so something is asked for.
    let script = "ask() { printf 'GET /keys.pgp HTTP/1.1\\r\\nHost: m\\r\\nConnection: close\\r\\n\\r\\n' |
        timeout 20 openssl s_client -quiet -no_ign_eof -ign_eof -connect \"$1\" \"$2\" \"$3\" \"$4\" 2>&1; }
        ask \"$1\" \"$2\" -sess_out session >/dev/null || true
        timeout 20 openssl s_client -connect \"$1\" \"$2\" -sess_in session </dev/null 2>/dev/null |
        grep -E '^(New|Reused),'";
    for version in ["-tls1_2", "-tls1_3"] {
        let mut ask = shell(script);
        let ran = ask
            .current_dir(home.path())
            .args(["sh", address, version])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(said.starts_with("Reused,"), "{version}: {said} {ran:?}");
    }
}

#[test]
fn what_cannot_be_used_is_said_at_the_start() {
    let home = Home::new();
    let root = store::make(home.path());
    let pair = Pair::write(home.path());
    fs::write(&pair.key, "nothing").unwrap();
    let ran = crate::hatchery::run(
        home.path(),
        &[
            "serve",
            "--store",
            text(&root),
            "--listen-tls",
            "127.0.0.1:0",
            "--certificate",
            text(&pair.certificate),
            "--key",
            text(&pair.key),
        ],
    );
    assert_ne!(ran.code, Some(0));
    assert!(
        ran.stderr.contains("cannot speak TLS on 127.0.0.1:0"),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("holds no private key in PEM"),
        "{ran:?}"
    );
}

#[test]
fn a_unix_socket_is_served_and_gone_afterwards() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let root = store::make(home.path());
    let socket = home.path().join("serve.sock");
    let listen = format!("unix:{}", socket.display());
    let arguments = ["--store", text(&root), "--listen", &listen];
    let url = format!("http://mirror{}", store::SUMS);
    let ask = || body(&["--unix-socket", text(&socket), &url]);
    let mut served = Served::start(home.path(), &arguments, 1);
    assert!(ask().contains("lab.tar.xz"));
    served.signal(rustix::process::Signal::TERM);
    served.ends();
    assert!(!socket.exists());
    // One that a killed server left behind is no obstacle.
    drop(Served::start(home.path(), &arguments, 1));
    assert!(socket.exists());
    let served = Served::start(home.path(), &arguments, 1);
    assert!(ask().contains("lab.tar.xz"));
    assert_eq!(served.addresses, [listen]);
}
