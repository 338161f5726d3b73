//! Listings as the programs print them. The nftables ones are made by nft
//! itself in a network namespace where it is installed (`tests/`).

use super::*;

const DROPPING: &str = r#"{"nftables": [
 {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
 {"table": {"family": "inet", "name": "fw", "handle": 1}},
 {"chain": {"family": "inet", "table": "fw", "name": "in", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
 {"chain": {"family": "inet", "table": "fw", "name": "fwd", "handle": 2, "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}},
 {"rule": {"family": "inet", "table": "fw", "chain": "in", "handle": 3, "expr": [
   {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}]}}
]}"#;

#[test]
fn a_chain_that_drops_is_found_and_how_to_open_it() {
    let found = nftables(DROPPING, "br0");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].is_sure);
    assert_eq!(
        found[0].open,
        ["nft insert rule inet fw in iifname br0 accept"]
    );
    let opened = DROPPING.replace("\"lo\"", "{\"set\": [\"lo\", \"br*\"]}");
    assert!(nftables(&opened, "br0").is_empty());
    let jumping = DROPPING.replace("{\"accept\": null}", "{\"jump\": {\"target\": \"x\"}}");
    assert!(!nftables(&jumping, "br0")[0].is_sure);
    let fewer = DROPPING.replace(
        "{\"accept\": null}",
        "{\"match\": {\"op\": \"==\", \"left\": {\"payload\": {}}, \"right\": 22}}, {\"accept\": null}",
    );
    assert_eq!(
        nftables(&fewer.replace("\"lo\"", "\"br0\""), "br0").len(),
        1
    );
    assert!(nftables("no JSON", "br0").is_empty());
}

#[test]
fn dockers_policy_is_opened_where_docker_leaves_it_alone() {
    let listing = "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N DOCKER-USER\n\
                   -A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -j DOCKER\n";
    let found = iptables(listing, "br0");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!found[0].is_sure);
    assert_eq!(
        found[0].open[0],
        "iptables-legacy -I DOCKER-USER -i br0 -j ACCEPT"
    );
    let opened = format!("{listing}-A FORWARD -i br0 -j ACCEPT\n");
    assert!(iptables(&opened, "br0").is_empty());
}

#[test]
fn ufw_is_opened_in_its_own_words() {
    let etc = tempfile::tempdir().unwrap();
    let at = |name: &str| etc.path().join("ufw").join(name);
    assert_eq!(ufw("br0", etc.path()), None);
    fs::create_dir(etc.path().join("ufw")).unwrap();
    fs::write(at("ufw.conf"), "ENABLED=no\n").unwrap();
    assert_eq!(ufw("br0", etc.path()), None);
    fs::write(at("ufw.conf"), "# comment\nENABLED=yes\n").unwrap();
    let open = ufw("br0", etc.path()).unwrap().open;
    assert_eq!(open, ["ufw allow in on br0", "ufw route allow in on br0"]);
    fs::write(
        at("user.rules"),
        "-A ufw-user-input -i br0 -j ACCEPT\n-A ufw-user-forward -i br0 -j ACCEPT\n",
    )
    .unwrap();
    assert_eq!(ufw("br0", etc.path()), None);
}
