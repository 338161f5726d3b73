//! What the process that unpacks keeps of whoever called: nothing.

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a busy machine.
const TIME: Duration = Duration::from_secs(30);

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the caller is a shell that left a folder open"
)]
fn a_folder_that_the_caller_left_open_does_not_reach_the_process_that_unpacks() {
    let (_ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let script = "exec 9</ && exec \"$0\" __unpack";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_hatchery")])
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = format!("/proc/{}", child.id());
    let is_helper = || {
        let program = fs::read_link(format!("{process}/exe"));
        program.is_ok_and(|program| program.ends_with("hatchery"))
    };
    let open = || {
        let entries = fs::read_dir(format!("{process}/fd")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    // It waits to be told what to unpack, with a copy of its stdin.
    let kept = ["0", "1", "2", "3"];
    let end = Instant::now() + TIME;
    let mut last = Vec::new();
    while Instant::now() < end {
        last = open();
        if is_helper() && last == kept {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let copy = fs::read_link(format!("{process}/fd/3")).unwrap();
    let stdin = fs::read_link(format!("{process}/fd/0")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(last, kept);
    assert_eq!(copy, stdin);
}
