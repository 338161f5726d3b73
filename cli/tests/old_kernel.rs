//! Imports on a kernel as old as Linux 4.4, and under seccomp filters that are
//! as old: what is newer answers `ENOSYS`, or `EPERM`.

use crate::street::Street;
use hatchery_tests::old_kernel::{Answer, with_old_kernel};
use hatchery_tests::{Need, require};
use std::fs;

#[test]
fn an_image_is_imported_with_the_system_calls_of_linux_4_4() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    for answer in [Answer::Unknown, Answer::Forbidden] {
        let street = Street::new(None);
        let ran = with_old_kernel(answer, || street.imported());
        assert_eq!(ran.code, Some(0), "{answer:?}: {ran:?}");
        let text = fs::read_to_string(street.machine().join("etc/os-release")).unwrap();
        assert_eq!(text, "ID=lab\n");
        let link = fs::read_link(street.machine().join("link")).unwrap();
        assert_eq!(link.to_str(), Some("etc/os-release"));
        // Again over itself, and away.
        let mut again = street.import();
        again.arg("--force");
        let ran = with_old_kernel(answer, || again.output().unwrap());
        assert_eq!(ran.status.code(), Some(0), "{answer:?}: {ran:?}");
        let mut remove = crate::hatchery::command(&street.path(""));
        remove.args(["remove", "m", "--machines", "machines", "--state", "state"]);
        remove.args(["--config", "config", "--nspawn", "nspawn"]);
        let ran = with_old_kernel(answer, || remove.output().unwrap());
        assert_eq!(ran.status.code(), Some(0), "{answer:?}: {ran:?}");
        assert!(!street.machine().exists());
    }
}
