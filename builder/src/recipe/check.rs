//! From documents to a recipe: reading the keys, then what the keys mean
//! together.

mod family;

use super::document::{Documents, Step, Table, offset};
use super::error::{RecipeError, explain};
use super::include;
use super::name::SourcePath;
use super::source::{Body, Budget, Content};
use super::written::{Archive, Units, User, Written, WrittenFile, WrittenScript};
use super::{File, Owner, Recipe, Script};
use hatchery_image::Architecture;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// What a recipe may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing but its own text.
    Text,
    /// Files beside it.
    Disk,
}

/// Levels of zstd: those above 19 need more memory to unpack than an importer
/// grants.
const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

/// Levels of xz.
const XZ_LEVELS: std::ops::RangeInclusive<u32> = 0..=9;

/// User ids that a recipe can give: beyond those of the distribution, below
/// systemd's own ranges (`nobody` and dynamic users begin at 61184).
const UIDS: std::ops::RangeInclusive<u32> = 1000..=60000;

/// Makes a recipe of its texts.
pub(super) fn recipe(
    documents: &Documents,
    reach: Reach,
    host: Architecture,
) -> Result<Recipe, RecipeError> {
    let mut table = documents.merged()?;
    if let (Reach::Text, Some(value)) = (reach, include::listed(&table)) {
        let message = "include works only in a recipe that is read from a file";
        return Err(documents.wrong(value.span().start, message));
    }
    table.get_mut().remove(include::KEY);
    let written = read(documents, &table)?;
    let mut context = Context {
        documents,
        table: &table,
        reach,
        budget: Budget::default(),
    };
    context.recipe(written, host)
}

fn read(documents: &Documents, table: &Spanned<Table<'_>>) -> Result<Written, RecipeError> {
    let deserializer = toml::Deserializer::from(table.clone());
    Written::deserialize(deserializer).map_err(|error| {
        let offset = error.span().map_or(table.span().start, |span| span.start);
        let schema = Recipe::schema();
        let keys = schema["properties"].as_object();
        let keys: Vec<&str> =
            keys.map_or_else(Vec::new, |k| k.keys().map(String::as_str).collect());
        documents.wrong(offset, explain(error.message(), &keys))
    })
}

struct Context<'a> {
    documents: &'a Documents,
    table: &'a Spanned<Table<'a>>,
    reach: Reach,
    budget: Budget,
}

impl Context<'_> {
    fn wrong(&self, path: &[Step<'_>], message: impl Into<String>) -> RecipeError {
        self.documents.wrong(offset(self.table, path), message)
    }

    fn recipe(&mut self, written: Written, host: Architecture) -> Result<Recipe, RecipeError> {
        let (family, repositories) = self.family(&written, written.architecture.unwrap_or(host))?;
        self.network(&written)?;
        self.archive(&written.archive)?;
        self.users(&written.user)?;
        self.units(&written.units)?;
        if written.source_date_epoch.is_some_and(|t| t < 0) {
            return Err(self.wrong(
                &["source_date_epoch".into()],
                "a time before 1970 does not fit",
            ));
        }
        Ok(Recipe {
            name: written.name,
            distribution: written.distribution,
            family,
            architecture: written.architecture.unwrap_or(host),
            packages: written.packages,
            repositories,
            accept_expired: written.accept_expired,
            source_date_epoch: written.source_date_epoch,
            hostname: written.hostname,
            locale: written.locale,
            timezone: written.timezone,
            root: written.root,
            users: written.user,
            files: self.files(written.file)?,
            units: written.units,
            post_install: written.post_install.map(|s| self.script(s)).transpose()?,
            network: written.network,
            resolved: written.resolved,
            disk_limit: written.disk_limit,
            nspawn: written.nspawn,
            archive: written.archive,
            lint: written.lint,
        })
    }

    fn network(&self, written: &Written) -> Result<(), RecipeError> {
        let host0 = &written.network.host0;
        host0.check().map_err(|error| {
            let path = ["network".into(), "host0".into(), Step::Key(error.key)];
            self.wrong(&path, error.why)
        })?;
        written
            .nspawn
            .check()
            .map_err(|error| self.wrong(&["nspawn".into(), Step::Key(error.key)], error.why))
    }

    fn archive(&self, archive: &Archive) -> Result<(), RecipeError> {
        let wrong = |key, message| Err(self.wrong(&["archive".into(), Step::Key(key)], message));
        if !ZSTD_LEVELS.contains(&archive.zstd_level) {
            return wrong("zstd_level", "levels of zstd go from 1 to 19 here");
        }
        if !XZ_LEVELS.contains(&archive.xz_level) {
            return wrong("xz_level", "levels of xz go from 0 to 9");
        }
        let formats = &archive.formats;
        if formats.is_empty() {
            return wrong("formats", "at least one of tar.zst and tar.xz is needed");
        }
        if (1..formats.len()).any(|n| formats[..n].contains(&formats[n])) {
            return wrong("formats", "a format is given twice");
        }
        Ok(())
    }

    fn users(&self, users: &[User]) -> Result<(), RecipeError> {
        for (n, user) in users.iter().enumerate() {
            let wrong = |key, message: String| {
                Err(self.wrong(&["user".into(), n.into(), Step::Key(key)], message))
            };
            if user.name.as_str() == "root" {
                return wrong("name", "root has its own table, [root]".to_owned());
            }
            let earlier = &users[..n];
            if earlier.iter().any(|u| u.name == user.name) {
                return wrong("name", format!("the user {} is there twice", user.name));
            }
            let Some(uid) = user.uid else { continue };
            if !UIDS.contains(&uid) {
                return wrong(
                    "uid",
                    format!("user ids go from {} to {} here", UIDS.start(), UIDS.end()),
                );
            }
            if earlier.iter().any(|u| u.uid == user.uid) {
                return wrong("uid", format!("the user id {uid} is given twice"));
            }
        }
        Ok(())
    }

    fn units(&self, units: &Units) -> Result<(), RecipeError> {
        let lists = [("disable", &units.disable), ("mask", &units.mask)];
        for (key, list) in lists {
            for (n, unit) in list.iter().enumerate() {
                if units.enable.contains(unit) {
                    let message = format!("{unit} is to be enabled, too");
                    return Err(self.wrong(&["units".into(), Step::Key(key), n.into()], message));
                }
            }
        }
        Ok(())
    }

    fn files(&mut self, written: Vec<WrittenFile>) -> Result<Vec<File>, RecipeError> {
        let mut files: Vec<File> = Vec::new();
        for (n, one) in written.into_iter().enumerate() {
            let file = self.file(n, one)?;
            files.retain(|earlier| earlier.path != file.path);
            files.push(file);
        }
        Ok(files)
    }

    fn file(&mut self, n: usize, written: WrittenFile) -> Result<File, RecipeError> {
        let at = |key| [Step::from("file"), n.into(), Step::Key(key)];
        let body = match (written.content, written.source) {
            (Some(text), None) => Body::File {
                content: Content::from(text.into_bytes()),
                executable: false,
            },
            (None, Some(path)) => self.source(&at("source"), &path, Budget::body)?,
            _ => {
                let message = format!("{} needs either content or source", written.path);
                return Err(self.wrong(&at("path")[..2], message));
            }
        };
        match body {
            Body::Folder(_) if written.mode.is_some() => {
                return Err(self.wrong(
                    &at("mode"),
                    "a mode goes with a single file, and source is a folder",
                ));
            }
            Body::File { .. } if written.path.as_str() == "/" => {
                return Err(self.wrong(&at("path"), "a file cannot go to \"/\""));
            }
            _ => {}
        }
        Ok(File {
            path: written.path,
            body,
            mode: written.mode,
            owner: written.owner.unwrap_or(Owner::root()),
        })
    }

    fn script(&mut self, written: WrittenScript) -> Result<Script, RecipeError> {
        let at = ["post_install".into(), "file".into()];
        let content = match (written.script, written.file) {
            (Some(text), None) => Content::from(text.into_bytes()),
            (None, Some(path)) => {
                self.source(&at, &path, |budget, path| Ok(budget.file(path)?.0))?
            }
            _ => return Err(self.wrong(&at[..1], "post_install needs either script or file")),
        };
        if content.bytes().is_empty() {
            return Err(self.wrong(&at[..1], "the script is empty"));
        }
        Ok(Script {
            content,
            network: written.network,
        })
    }

    /// Reads something beside the file in which the path is written.
    fn source<T>(
        &mut self,
        at: &[Step<'_>],
        path: &SourcePath,
        read: impl FnOnce(&mut Budget, &std::path::Path) -> std::io::Result<T>,
    ) -> Result<T, RecipeError> {
        let offset = offset(self.table, at);
        if self.reach == Reach::Text {
            let message = "files can only be referred to by a recipe that is read from a file";
            return Err(self.documents.wrong(offset, message));
        }
        let path: PathBuf = self.documents.folder(offset).join(path.as_path());
        read(&mut self.budget, &path).map_err(|source| RecipeError::Source {
            at: self.documents.position(offset),
            path,
            source,
        })
    }
}
