//! Recipes from outside: what is accepted, and what each defect is told.

use super::*;
use crate::debian::Variant;
use std::fs;

const MINIMAL: &str = "name = \"x\"\ndistribution = \"debian\"\nrelease = \"trixie\"\n\
    mirrors = [\"https://mirror.example/debian\"]\n";

fn parse(rest: &str) -> Result<Recipe, RecipeError> {
    Recipe::parse(
        &format!("{MINIMAL}{rest}"),
        Path::new("x.toml"),
        Architecture::Amd64,
    )
}

fn message(rest: &str) -> String {
    parse(rest).unwrap_err().to_string()
}

#[test]
fn a_minimal_recipe_has_the_documented_defaults() {
    let recipe = parse("").unwrap();
    assert_eq!(recipe.architecture, Architecture::Amd64);
    let Family::Debian(debian) = &recipe.family else {
        panic!("{:?}", recipe.family);
    };
    assert_eq!(debian.variant, Variant::Minbase);
    assert!(!debian.recommends);
    assert_eq!(recipe.repositories.len(), 1);
    assert_eq!(recipe.repositories[0].components[0].as_str(), "main");
    assert_eq!(recipe.root, Root::default());
    assert_eq!(recipe.archive.formats.len(), 2);
    assert!(recipe.nspawn.is_empty());
}

#[test]
fn each_defect_is_told_with_its_line_and_what_would_be_right() {
    for (text, wanted) in [
        (
            "packges = []",
            "x.toml:5:1: unknown key \"packges\"; did you mean \"packages\"?",
        ),
        (
            "foo = 1",
            "x.toml:5:1: unknown key \"foo\"; allowed are include, name,",
        ),
        (
            "[root]\nhostname = \"a\"",
            "x.toml:6:1: unknown key \"hostname\" in this table; it belongs to the top level",
        ),
        (
            "[network.host0]\ndchp = true",
            "x.toml:6:1: unknown key \"dchp\"; did you mean \"dhcp\"?",
        ),
        (
            "[[user]]\nname = \"a\"\nsshkeys = []",
            "x.toml:7:1: unknown key \"sshkeys\"; did you mean \"ssh_keys\"?",
        ),
        (
            "variant = \"minbas\"",
            "x.toml:5:11: \"minbas\" is not known here; did you mean \"minbase\"? Allowed are essential, apt,",
        ),
        (
            "architecture = \"x86_64\"",
            "x.toml:5:16: \"x86_64\" is not known here; allowed are amd64,",
        ),
        (
            "packages = \"vim\"",
            "x.toml:5:12: wrong kind of value: string \"vim\", expected a sequence",
        ),
        (
            "packages = [\"vim\", 5]",
            "x.toml:5:20: wrong kind of value: integer 5, expected the name of a package",
        ),
        (
            "packages = [\n  \"vim\",\n  \"a b\"\n]",
            "x.toml:7:3: \"a b\" is not the name of a package",
        ),
        (
            "packages = [\"vim\",\n \"Vim\"]",
            "x.toml:6:2: \"Vim\" is not the name of a Debian package",
        ),
        (
            "hostname = \"my_host\"",
            "x.toml:5:12: \"my_host\" is not a host name: only letters, digits, '-' and '.' are allowed",
        ),
        (
            "timezone = \"../etc\"",
            "x.toml:5:12: \"../etc\" is not a time zone",
        ),
        (
            "locale = \"de_DE\"",
            "x.toml:5:10: \"de_DE\" is not a locale: allowed are C,",
        ),
        (
            "disk_limit = \"16GB\"",
            "x.toml:5:14: \"16GB\" is not a size: allowed is",
        ),
        ("disk_limit = -1", "x.toml:5:14: a size is not negative"),
        (
            "source_date_epoch = -5",
            "x.toml:5:21: a time before 1970 does not fit",
        ),
        (
            "[root]\npassword_hash = \"secret\"",
            "x.toml:6:17: this is not a password hash of the form $y$… or $6$…; passwords are never written in plain text. Make a hash with: openssl passwd -6",
        ),
        (
            "[root]\nssh_keys = [\"-----BEGIN OPENSSH PRIVATE KEY-----\"]",
            "x.toml:6:13: \"-----BEGIN OPENSSH PRIVATE KEY-----\" is not a public SSH key: this is a private key",
        ),
        (
            "[[user]]\nuid = 1000",
            "x.toml:5:1: the key \"name\" is missing",
        ),
        (
            "[[user]]\nname = \"root\"",
            "x.toml:6:8: root has its own table, [root]",
        ),
        (
            "[[user]]\nname = \"a\"\n[[user]]\nname = \"a\"",
            "x.toml:8:8: the user a is there twice",
        ),
        (
            "[[user]]\nname = \"a\"\nuid = 1",
            "x.toml:7:7: user ids go from 1000 to 60000 here",
        ),
        (
            "[[user]]\nname = \"a\"\nuid = 1000\n[[user]]\nname = \"b\"\nuid = 1000",
            "x.toml:10:7: the user id 1000 is given twice",
        ),
        (
            "[[file]]\npath = \"/a\"",
            "x.toml:5:1: /a needs either content or source",
        ),
        (
            "[[file]]\npath = \"/a\"\ncontent = \"\"\nmode = 644",
            "x.toml:8:8: wrong kind of value: integer 644, expected a file mode as text, such as \"0644\"",
        ),
        (
            "[[file]]\npath = \"/a/../b\"\ncontent = \"\"",
            "x.toml:6:8: \"/a/../b\" is not an absolute path",
        ),
        (
            "[[file]]\npath = \"/a\"\nsource = \"b\"",
            "x.toml:7:10: files can only be referred to by a recipe that is read from a file",
        ),
        (
            "[[file]]\npath = \"/a\"\nsource = \"/etc/shadow\"",
            "x.toml:7:10: \"/etc/shadow\" is not a path beside the recipe: it must be relative",
        ),
        (
            "include = [\"b.toml\"]",
            "x.toml:5:11: include works only in a recipe that is read from a file",
        ),
        (
            "[units]\nenable = [\"a.service\"]\nmask = [\"a.service\"]",
            "x.toml:7:9: a.service is to be enabled, too",
        ),
        (
            "[units]\nenable = [\"ssh\"]",
            "x.toml:6:11: \"ssh\" is not the name of a unit: it does not end in a kind of unit",
        ),
        (
            "[post_install]\nnetwork = true",
            "x.toml:5:1: post_install needs either script or file",
        ),
        (
            "[network.host0]\naddress = \"10.0.0.2\"",
            "x.toml:6:11: \"10.0.0.2\" is not an address with a prefix length",
        ),
        (
            "[network.host0]\naddress = \"10.0.0.2/24\"\ngateway = \"10.1.0.1\"",
            "x.toml:7:11: the gateway 10.1.0.1 lies in the network of no address",
        ),
        (
            "[network.host0]\ndhcp = false",
            "x.toml:6:8: without DHCP, host0 needs an address",
        ),
        (
            "[resolved]\ndnssec = \"maybe\"",
            "x.toml:6:10: \"maybe\" is not known here; allowed are yes, no, allow-downgrade",
        ),
        (
            "[resolved]\ndns = [\"9.9.9.9\", \"dns.example\"]",
            "x.toml:6:19: \"dns.example\" is not a DNS server",
        ),
        (
            "[nspawn]\nports = [\"tcp:80\", \"80:1\"]",
            "x.toml:6:9: the host's port tcp:80 is given twice",
        ),
        (
            "[nspawn]\ncapabilities = [\"CAP_ROOT\"]",
            "x.toml:6:17: \"CAP_ROOT\" is not a capability",
        ),
        (
            "[archive]\nzstd_level = 22",
            "x.toml:6:14: levels of zstd go from 1 to 19 here",
        ),
        (
            "[archive]\nformats = []",
            "x.toml:6:11: at least one of tar.zst and tar.xz is needed",
        ),
        (
            "[archive]\nformats = [\"zip\"]",
            "x.toml:6:12: \"zip\" is not known here; allowed are tar.zst, tar.xz",
        ),
        (
            "[[repository]]\nsuite = \"s\"\nkey = \"k.asc\"",
            "x.toml:7:7: files can only be referred to",
        ),
        (
            "[[repository]]\nsuite = \"s\"\nmirrors = \"ftp://x/y\"",
            "x.toml:7:11: \"ftp://x/y\" is not the address of a mirror: allowed are http://, https:// and file:///",
        ),
        ("hostname = ", "x.toml:5:12: "),
        (
            "hostname = \"a\"\nhostname = \"b\"",
            "x.toml:6:1: duplicate key",
        ),
    ] {
        let got = message(text);
        assert!(
            got.starts_with(wanted),
            "{text}\n  got    {got}\n  wanted {wanted}"
        );
        assert!(!got.contains('\n'), "{got}");
    }
}

#[test]
fn what_is_missing_at_the_top_is_told_at_the_top() {
    for (text, wanted) in [
        ("", "x.toml:1:1: the key \"name\" is missing"),
        (
            "name = \"x\"",
            "x.toml:1:1: the key \"distribution\" is missing",
        ),
        (
            "name = \"x\"\ndistribution = \"debian\"",
            "x.toml:1:1: the key \"release\" is missing",
        ),
        (
            "name = \"x\"\ndistribution = \"debian\"\nrelease = \"y\"",
            "x.toml:1:1: the key \"mirrors\" needs at least one address",
        ),
        ("name = \"X\"", "x.toml:1:8: image name \"X\" is not valid"),
        (
            "name = \"x\"\ndistribution = \"debain\"",
            "x.toml:2:16: \"debain\" is not known here; did you mean \"debian\"?",
        ),
    ] {
        let error = Recipe::parse(text, Path::new("x.toml"), Architecture::Amd64).unwrap_err();
        assert!(
            error.to_string().starts_with(wanted),
            "{text}\n  got    {error}\n  wanted {wanted}"
        );
    }
}

#[test]
fn settings_bring_the_packages_that_they_need() {
    let names = |rest: &str| -> Vec<String> {
        let packages = parse(rest).unwrap().effective_packages();
        packages.iter().map(|p| p.as_str().to_owned()).collect()
    };
    assert_eq!(
        names("packages = [\"vim\", \"apt\", \"vim\"]"),
        ["apt", "vim"]
    );
    assert_eq!(
        names(
            "locale = \"de_DE.UTF-8\"\ntimezone = \"Europe/Berlin\"\n[[user]]\nname = \"a\"\nsudo = \"password\""
        ),
        ["locales", "sudo", "tzdata"]
    );
    assert!(names("locale = \"C.UTF-8\"\ntimezone = \"UTC\"").is_empty());
}

#[test]
fn digests_follow_meaning_and_not_spelling() {
    let recipe = |rest| parse(rest).unwrap();
    let plain = recipe("packages = [\"vim\"]\nrecommends = false");
    let spelt = recipe("# a comment\nrecommends=false\npackages   = [ 'vim' ]");
    assert_eq!(plain.digest(), spelt.digest());

    let setting =
        recipe("packages = [\"vim\"]\nhostname = \"a\"\n[[file]]\npath = \"/a\"\ncontent = \"1\"");
    assert_ne!(plain.digest(), setting.digest());
    assert_eq!(plain.bootstrap_digest(), setting.bootstrap_digest());
    let content =
        recipe("packages = [\"vim\"]\nhostname = \"a\"\n[[file]]\npath = \"/a\"\ncontent = \"2\"");
    assert_ne!(setting.digest(), content.digest());

    for other in [
        "packages = [\"vi\"]",
        "packages = [\"vim\"]\nrecommends = true",
        "packages = [\"vim\"]\nlocale = \"de_DE.UTF-8\"",
        "packages = [\"vim\"]\n[[repository]]\nsuite = \"trixie-updates\"",
        "packages = [\"vim\"]\nvariant = \"apt\"",
        "packages = [\"vim\"]\narchitecture = \"arm64\"",
    ] {
        assert_ne!(
            plain.bootstrap_digest(),
            recipe(other).bootstrap_digest(),
            "{other}"
        );
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn load(dir: &tempfile::TempDir, name: &str) -> Result<Recipe, RecipeError> {
    Recipe::load(&dir.path().join(name), Architecture::Amd64)
}

#[test]
fn what_is_included_comes_first_and_the_later_wins() {
    let dir = folder(&[
        (
            "common/base.toml",
            &format!(
                "{MINIMAL}packages = [\"aa\"]\nlocale = \"C\"\n[resolved]\nllmnr = \"no\"\ndns = [\"9.9.9.9\"]\n[[file]]\npath = \"/motd\"\nsource = \"motd\"\n[[file]]\npath = \"/x\"\ncontent = \"1\"\n"
            ),
        ),
        ("common/motd", "hello\n"),
        ("more.toml", "packages = [\"bb\"]\n"),
        (
            "sub/x.toml",
            "include = [\"../common/base.toml\", \"../more.toml\", \"../common/base.toml\"]\nname = \"y\"\nlocale = \"C.UTF-8\"\npackages = [\"cc\"]\n[resolved]\nllmnr = \"yes\"\n[[file]]\npath = \"/x\"\ncontent = \"2\"\n",
        ),
    ]);
    let recipe = load(&dir, "sub/x.toml").unwrap();
    assert_eq!(recipe.name.as_str(), "y");
    assert_eq!(recipe.locale.as_ref().unwrap().as_str(), "C.UTF-8");
    let packages: Vec<&str> = recipe.packages.iter().map(PackageName::as_str).collect();
    assert_eq!(packages, ["aa", "bb", "cc"]);
    assert_eq!(
        recipe.resolved.render().unwrap(),
        "[Resolve]\nDNS=9.9.9.9\nLLMNR=yes\n"
    );
    let files: Vec<(&str, &Body)> = recipe
        .files
        .iter()
        .map(|f| (f.path.as_str(), &f.body))
        .collect();
    let text = |t: &str| Body::File {
        content: Content::from(t.as_bytes().to_vec()),
        executable: false,
    };
    assert_eq!(files, [("/motd", &text("hello\n")), ("/x", &text("2"))]);
}

#[test]
fn errors_in_included_files_name_those() {
    let dir = folder(&[
        ("cycle.toml", "include = [\"b.toml\"]"),
        ("b.toml", "\n include = [\"./cycle.toml\"]"),
        ("missing.toml", "include = [\"nowhere.toml\"]"),
        ("deep.toml", &format!("include = [\"bad.toml\"]\n{MINIMAL}")),
        ("bad.toml", "# ä\nhostname = \"a\"\npackages = [\"é\"]"),
        ("unknown.toml", "include = [\"key.toml\"]"),
        ("key.toml", "\n[units]\nenabel = []"),
        ("wrong.toml", "include = \"b.toml\""),
        (
            "source.toml",
            &format!("{MINIMAL}[[file]]\npath = \"/a\"\nsource = \"not-there\""),
        ),
    ]);
    for (name, wanted) in [
        ("cycle.toml", "/b.toml:2:13: "),
        ("missing.toml", "/missing.toml:1:12: cannot read "),
        (
            "deep.toml",
            "/bad.toml:3:13: \"é\" is not the name of a package",
        ),
        (
            "unknown.toml",
            "/key.toml:3:1: unknown key \"enabel\"; did you mean \"enable\"?",
        ),
        ("wrong.toml", "/wrong.toml:1:11: include is a list of files"),
        ("source.toml", "/source.toml:7:10: cannot read "),
        ("nowhere.toml", "cannot read the recipe "),
    ] {
        let error = load(&dir, name).unwrap_err().to_string();
        assert!(
            error.contains(wanted),
            "{name}\n  got    {error}\n  wanted {wanted}"
        );
    }
}

#[test]
fn the_schema_names_every_key_and_forbids_others() {
    let schema = Recipe::schema();
    assert_eq!(schema["additionalProperties"], false);
    for key in [
        "include",
        "name",
        "release",
        "repository",
        "file",
        "nspawn",
        "post_install",
    ] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    assert_eq!(
        schema["required"],
        serde_json::json!(["name", "distribution"])
    );
    assert_eq!(schema["$defs"]["User"]["additionalProperties"], false);
}

#[test]
fn the_recipes_that_ship_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let recipe = Recipe::load(&path, Architecture::Amd64).unwrap();
            assert_eq!(path.file_stem().unwrap(), recipe.name.as_str());
            assert_eq!(recipe.disk_limit.unwrap().bytes(), 16 << 30);
            if recipe.distribution == Distribution::Debian {
                let security = |r: &Repository| r.suite.as_str() == "trixie-security";
                assert!(recipe.repositories.iter().any(security), "{}", recipe.name);
            }
            found.push(recipe.name.as_str().to_owned());
        }
    }
    found.sort();
    assert_eq!(
        found,
        [
            "arch",
            "arch-arm",
            "debian",
            "debian-minimal",
            "debian-sshd"
        ]
    );
}

const ARCH: &str = "name = \"x\"\ndistribution = \"arch\"\n\
    mirrors = [\"https://mirror.example/$repo/os/$arch\"]\n";

fn arch(rest: &str, host: Architecture) -> Result<Recipe, RecipeError> {
    Recipe::parse(&format!("{ARCH}{rest}"), Path::new("x.toml"), host)
}

#[test]
fn arch_has_its_own_repositories_and_no_release() {
    let names = |recipe: &Recipe| {
        let names = recipe.repositories.iter().map(|r| r.suite.to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    let recipe = arch("", Architecture::Amd64).unwrap();
    assert_eq!(names(&recipe), "core extra");
    assert!(!recipe.is_arch_arm());
    let recipe = arch("", Architecture::Arm64).unwrap();
    assert_eq!(names(&recipe), "core extra alarm");
    assert!(recipe.is_arch_arm());

    let more = "[[repository]]\nname = \"extra\"\nsig_level = \"never\"\n\
                [[repository]]\nname = \"own\"\nmirrors = \"https://own.example/x\"\n";
    let recipe = arch(more, Architecture::Amd64).unwrap();
    assert_eq!(names(&recipe), "core extra own");
    assert_eq!(recipe.repositories[1].sig_level, SigLevel::Never);
    assert!(recipe.repositories[1].shares_mirrors && !recipe.repositories[2].shares_mirrors);
}

#[test]
fn what_belongs_to_another_family_is_told() {
    for (text, wanted) in [
        (
            "release = \"x\"",
            "x.toml:4:11: the key \"release\" is Debian's",
        ),
        ("recommends = true", "the key \"recommends\" is Debian's"),
        (
            "[[repository]]\nsuite = \"x\"",
            "\"suite\" is Debian's; a repository of Arch Linux has a \"name\"",
        ),
        ("[[repository]]\nkey = \"x\"", "the key \"name\" is missing"),
        (
            "[[repository]]\nname = \"options\"",
            "options is no repository",
        ),
        (
            "architecture = \"s390x\"",
            "there is no Arch Linux for s390x",
        ),
        (
            "[pacman]\nno_extract = [\"a b\"]",
            "\"a b\" is not a pattern",
        ),
    ] {
        let error = arch(text, Architecture::Amd64).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
    for (text, wanted) in [
        (
            "snapshots = [\"https://a.example/x\"]",
            "the key \"snapshots\" is Arch Linux's",
        ),
        (
            "[pacman]\nignore_pkg = [\"x\"]",
            "the key \"pacman\" is Arch Linux's",
        ),
        (
            "[[repository]]\nname = \"x\"",
            "a repository of Debian has a \"suite\"",
        ),
    ] {
        let error = message(text);
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
    let plain = ARCH.replace("/$repo/os/$arch", "");
    let error = Recipe::parse(&plain, Path::new("x.toml"), Architecture::Amd64).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("https://mirror.example/$repo/os/$arch"),
        "{error}"
    );
}

#[test]
fn hooks_are_part_of_what_is_bootstrapped() {
    let hook = "[[file]]\npath = \"/etc/pacman.d/hooks/a.hook\"\ncontent = \"\"\n";
    let with = arch(hook, Architecture::Amd64).unwrap();
    let without = arch("", Architecture::Amd64).unwrap();
    let other = arch(
        &hook.replace("pacman.d/hooks", "pacman.d/hooks2"),
        Architecture::Amd64,
    )
    .unwrap();
    assert_eq!(with.hooks().count(), 1);
    assert_ne!(with.bootstrap_digest(), without.bootstrap_digest());
    assert_eq!(other.bootstrap_digest(), without.bootstrap_digest());
}
