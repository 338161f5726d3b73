//! The real pacman, on databases in a temporary folder: never on the host's.

use hatchery_tests::run::run;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A root, databases and a configuration of their own.
pub(super) struct Pacman {
    folder: TempDir,
    options: Vec<String>,
}

impl Pacman {
    /// With these databases, each with its name; `options` are lines of the
    /// configuration's first section.
    pub(super) fn new(databases: &[(&str, Vec<u8>)], options: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for below in ["root", "cache", "hooks", "gpg", "db/sync", "db/local"] {
            fs::create_dir_all(path.join(below)).unwrap();
        }
        fs::write(path.join("db/local/ALPM_DB_VERSION"), "9\n").unwrap();
        // What is fetched is printed instead, in the order of fetching.
        let mut config = "[options]\nSigLevel = Never\nXferCommand = /bin/echo %u\n".to_owned();
        for line in options {
            config.push_str(&format!("{line}\n"));
        }
        for (name, database) in databases {
            fs::write(path.join(format!("db/sync/{name}.db")), database).unwrap();
            config.push_str(&format!(
                "[{name}]\nServer = http://mirror.invalid/{name}\n"
            ));
        }
        fs::write(path.join("pacman.conf"), config).unwrap();
        let place = |below: &str| path.join(below).to_str().unwrap().to_owned();
        let options = [
            ("--config", "pacman.conf"),
            ("--root", "root"),
            ("--dbpath", "db"),
            ("--cachedir", "cache"),
            ("--hookdir", "hooks"),
            ("--gpgdir", "gpg"),
            ("--logfile", "log"),
        ];
        let options = options.map(|(option, below)| [option.to_owned(), place(below)]);
        Self {
            options: options.concat(),
            folder,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it; its stdout, or, if it fails, its stdout and stderr.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut argv = vec!["pacman"];
        argv.extend(arguments);
        // Behind the operation, and before what is asked for.
        argv.splice(2..2, self.options.iter().map(String::as_str));
        run(&argv).map_err(|error| match error.split_once("): ") {
            // Without the command line, which is thousands of words long.
            Some((_, output)) => output.to_owned(),
            None => error,
        })
    }

    /// What it would install, as `repository/name version`.
    pub(super) fn print(&self, arguments: &[&str]) -> Result<Vec<String>, String> {
        let format = ["-Sp", "--noconfirm", "--print-format", "%r/%n %v"];
        let out = self.run(&[&format, arguments].concat())?;
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// What it begins to install without being asked, as paths of files that
    /// it fetches. Unlike printing, this looks for conflicts, and needs root.
    pub(super) fn begin(&self, arguments: &[&str]) -> Result<Vec<String>, String> {
        let failed = self.run(&[&["-S", "--noconfirm"], arguments].concat());
        // There was nothing to fetch, so it has failed by now.
        let out = failed.expect_err("packages that are not there");
        let prefix = "http://mirror.invalid/";
        let fetched = out.lines().filter_map(|line| line.strip_prefix(prefix));
        let fetched: Vec<_> = fetched.map(str::to_owned).collect();
        if fetched.is_empty() {
            return Err(out);
        }
        Ok(fetched)
    }
}
