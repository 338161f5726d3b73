//! Records as they are read, and those that are refused.

use super::*;
use crate::archive::tests::cpu_time;

fn records(all: &[(&str, &str)]) -> Vec<u8> {
    let mut pax = PaxBuilder::new();
    for (key, value) in all {
        pax.add(key, value);
    }
    pax.finish()
}

#[test]
fn times_have_a_sign_and_a_fraction() {
    for (text, time) in [
        ("0", (0, 0)),
        ("1795719102.126230679", (1_795_719_102, 126_230_679)),
        ("-1.5", (-2, 500_000_000)),
        ("-0.25", (-1, 750_000_000)),
        ("3.1", (3, 100_000_000)),
        ("3.1234567899", (3, 123_456_789)),
    ] {
        assert_eq!(seconds(text.as_bytes()), Some(time), "{text}");
    }
    for text in ["", "now", "+1", "1.x", "1e9", "--1", "1.-5"] {
        assert_eq!(seconds(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn both_notations_of_an_attribute_are_one() {
    let both = [
        ("LIBARCHIVE.xattr.user.a%3Db%25", "AAF2YWw"),
        ("SCHILY.xattr.user.a%3Db%25", "\0\u{1}val"),
    ];
    let name = b"user.a=b%".to_vec();
    for all in [&both[..], &both[..1], &both[1..]] {
        let found = read(&records(all), 0).unwrap().xattrs;
        assert_eq!(found, [(name.clone(), b"\0\x01val".to_vec())].into());
    }
    let differ = [both[0], ("SCHILY.xattr.user.a%3Db%25", "other")];
    assert!(read(&records(&differ), 0).is_err());
    assert!(read(&records(&[("LIBARCHIVE.xattr.user.a", "!")]), 0).is_err());
    // `%3D` itself is escaped once.
    assert_eq!(unescaped("user.%253D"), b"user.%3D");
}

#[test]
fn an_attribute_that_two_spellings_give_two_values_is_refused() {
    let spellings = [
        // GNU tar escapes what others write as it is.
        [
            ("SCHILY.xattr.user.a%", "1"),
            ("SCHILY.xattr.user.a%25", "2"),
        ],
        [
            ("SCHILY.xattr.user.a%", "1"),
            ("LIBARCHIVE.xattr.user.a%25", "Mg"),
        ],
        [
            ("LIBARCHIVE.xattr.user.a", "MQ"),
            ("LIBARCHIVE.xattr.user.%61", "Mg"),
        ],
    ];
    for [first, second] in spellings {
        for all in [[first, second], [second, first]] {
            let why = read(&records(&all), 0).unwrap_err();
            assert!(why.contains("two values"), "{all:?}: {why}");
        }
        let once = read(&records(&[first]), 0).unwrap().xattrs;
        assert_eq!(once.into_values().next().unwrap(), b"1", "{first:?}");
    }
    let same = [spellings[0][0], ("SCHILY.xattr.user.a%25", "1")];
    assert_eq!(read(&records(&same), 0).unwrap().xattrs.len(), 1);
    // Of what belongs to the host and is passed over, nothing counts.
    let hosts = [
        ("SCHILY.xattr.trusted.a%", "1"),
        ("SCHILY.xattr.trusted.a%25", "2"),
    ];
    assert!(read(&records(&hosts), 0).unwrap().xattrs.is_empty());
}

#[test]
fn a_list_of_permissions_that_differs_from_the_raw_one_is_refused() {
    let text = "user::rwx,user:7:r--,group::r-x,mask::r-x,other::---";
    let raw = Acl::parse(text.as_bytes()).unwrap().encoded();
    let with = |list: &str| {
        let mut pax = PaxBuilder::new();
        pax.add("SCHILY.xattr.system.posix_acl_access", &raw);
        pax.add("SCHILY.acl.access", list);
        read(&pax.finish(), 0)
    };
    assert_eq!(with(text).unwrap().xattrs.len(), 1);
    for other in [
        "user::rwx,user:8:r--,group::r-x,mask::r-x,other::---",
        // One that says no more than a mode.
        "user::rwx,group::r-x,other::---",
    ] {
        assert!(with(other).unwrap_err().contains("two ACLs"), "{other}");
    }
}

/// With each compared with all others, this would take a minute.
#[test]
fn many_attributes_are_read_quickly_and_more_than_a_file_has_are_refused() {
    let begun = cpu_time();
    for (count, is_read) in [(6000, true), (7000, false), (100_000, false)] {
        let mut pax = PaxBuilder::new();
        for index in 0..count {
            let name = index.to_string();
            pax.add(&format!("LIBARCHIVE.xattr.user.{name:0>4}"), "");
        }
        let found = read(&pax.finish(), 0);
        assert_eq!(found.is_ok(), is_read, "{count}");
    }
    assert!((cpu_time() - begun).as_secs() < 20);
}

#[test]
fn what_is_said_twice_or_unknown_is_refused() {
    for all in [
        &[("size", "5"), ("size", "5")][..],
        &[("path", "a"), ("path", "b")],
        &[("size", "6")],
        &[("size", "+5")],
        &[("realsize", "5")],
        &[("GNU.future", "5")],
        &[("SCHILY.realsize", "5")],
        &[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")],
        &[("GNU.sparse.major", "1")],
        &[("GNU.sparse.numblocks", "2"), ("GNU.sparse.size", "9")],
        &[("GNU.sparse.offset", "2"), ("GNU.sparse.size", "9")],
        &[("GNU.sparse.map", "1,2,3"), ("GNU.sparse.size", "9")],
        &[("GNU.sparse.size", "8"), ("GNU.sparse.realsize", "9")],
    ] {
        assert!(read(&records(all), 5).is_err(), "{all:?}");
    }
    for all in [
        &[("size", "5")][..],
        &[("size", "9000000000")],
        &[("comment", "a"), ("comment", "b")],
        &[
            ("atime", "1"),
            ("hdrcharset", "BINARY"),
            ("RHT.security.selinux", "x"),
        ],
    ] {
        assert!(read(&records(all), 5).is_ok(), "{all:?}");
    }
}
