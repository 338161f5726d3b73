//! The account files of a tree, changed together.

use super::error::AccountsError;
use super::line::Table;
use crate::recipe::{Owner, Principal, User};
use crate::rootfs::{Access, Rootfs, RootfsError};

/// Ids for users that people are, as login.defs(5) has them on every
/// distribution, and as recipes may give them.
const FREE_IDS: std::ops::RangeInclusive<u32> = 1000..=60000;

/// What marks an account that no password opens.
const LOCKED: &str = "!";

/// What a password field refers to the shadow file with.
const SHADOWED: &str = "x";

/// Field numbers.
const PASSWORD: usize = 1;
const CHANGED: usize = 2;
const ID: usize = 2;
const PASSWD_GID: usize = 3;
const MEMBERS: usize = 3;

/// The four files.
#[derive(Debug)]
pub(in crate::settings) struct Database {
    passwd: Table,
    group: Table,
    shadow: Table,
    gshadow: Option<Table>,
}

impl Database {
    /// Reads the files. A tree without a shadow file, as one of essential
    /// packages only may be, gets one.
    pub(in crate::settings) fn read(rootfs: &Rootfs) -> Result<Self, RootfsError> {
        let table = |path| -> Result<Option<Table>, RootfsError> {
            Ok(rootfs.text(path)?.map(|text| Table::parse(&text)))
        };
        let mut database = Self {
            passwd: table("etc/passwd")?.unwrap_or_default(),
            group: table("etc/group")?.unwrap_or_default(),
            shadow: Table::default(),
            gshadow: table("etc/gshadow")?,
        };
        match table("etc/shadow")? {
            Some(shadow) => database.shadow = shadow,
            None => database.make_shadow(),
        }
        Ok(database)
    }

    /// Writes the files, with the owners and modes that they have.
    pub(super) fn write(&self, rootfs: &Rootfs) -> Result<(), RootfsError> {
        let public = Access::root(0o644);
        let secret = Access {
            mode: 0o640,
            uid: 0,
            gid: self.gid("shadow").unwrap_or(0),
        };
        let write =
            |path, table: &Table, access| rootfs.rewrite(path, table.render().as_bytes(), access);
        write("etc/passwd", &self.passwd, public)?;
        write("etc/group", &self.group, public)?;
        write("etc/shadow", &self.shadow, secret)?;
        match &self.gshadow {
            Some(table) => write("etc/gshadow", table, secret),
            None => Ok(()),
        }
    }

    /// As pwconv(8) does it: what is in the password field moves.
    fn make_shadow(&mut self) {
        let users: Vec<[String; 2]> = self
            .passwd
            .rows()
            .map(|row| {
                [
                    row[0].to_owned(),
                    row.get(PASSWORD).unwrap_or(&"*").to_string(),
                ]
            })
            .collect();
        for [name, password] in users {
            self.shadow
                .push(&[&name, &password, "", "0", "99999", "7", "", "", ""]);
            self.passwd.set(&name, PASSWORD, SHADOWED);
        }
    }

    /// Sets root's password, or locks the account.
    pub(super) fn set_root_password(&mut self, hash: Option<&str>, day: i64) {
        let now = self.shadow.row("root").map(|row| row[PASSWORD].to_owned());
        let locked = now.as_deref().is_some_and(|p| p.starts_with(['!', '*']));
        let password = match hash {
            Some(hash) => hash,
            None if locked => return,
            None => "*",
        };
        self.shadow.set("root", PASSWORD, password);
        self.shadow.set("root", CHANGED, &day.to_string());
    }

    /// Adds a user with a group of the same name and id, and returns both.
    pub(super) fn add(
        &mut self,
        user: &User,
        shell: &str,
        day: i64,
    ) -> Result<(u32, u32), AccountsError> {
        let name = user.name.as_str();
        for (what, table) in [("user", &self.passwd), ("group", &self.group)] {
            if table.row(name).is_some() {
                return Err(AccountsError::Taken {
                    what,
                    name: name.to_owned(),
                });
            }
        }
        let id = self.id_for(user)?;
        let number = id.to_string();
        let comment = user.comment.as_ref().map_or("", |c| c.as_str());
        let home = format!("/{}", super::home::path(user));
        self.passwd
            .push(&[name, SHADOWED, &number, &number, comment, &home, shell]);
        self.group.push(&[name, SHADOWED, &number, ""]);
        if let Some(gshadow) = &mut self.gshadow {
            gshadow.push(&[name, LOCKED, "", ""]);
        }
        let hash = user.password_hash.as_ref().map_or(LOCKED, |h| h.as_str());
        let day = day.to_string();
        self.shadow
            .push(&[name, hash, &day, "0", "99999", "7", "", "", ""]);
        for group in &user.groups {
            self.join(group.as_str(), name)?;
        }
        Ok((id, id))
    }

    fn join(&mut self, group: &str, user: &str) -> Result<(), AccountsError> {
        if self.group.row(group).is_none() {
            return Err(unknown("group", group, &self.group));
        }
        self.group.join(group, MEMBERS, user);
        if let Some(gshadow) = &mut self.gshadow {
            gshadow.join(group, MEMBERS, user);
        }
        Ok(())
    }

    /// The id that the recipe gives, or the first that neither a user nor a
    /// group has.
    fn id_for(&self, user: &User) -> Result<u32, AccountsError> {
        let name = || user.name.to_string();
        match user.uid {
            None => FREE_IDS
                .into_iter()
                .find(|id| self.holder(*id).is_none())
                .ok_or_else(|| AccountsError::NoIdLeft(name())),
            Some(id) => match self.holder(id) {
                None => Ok(id),
                Some(holder) => Err(AccountsError::IdTaken {
                    id,
                    name: name(),
                    holder: holder.to_owned(),
                }),
            },
        }
    }

    fn holder(&self, id: u32) -> Option<&str> {
        let id = id.to_string();
        let mut rows = self.passwd.rows().chain(self.group.rows());
        rows.find(|row| row.get(ID) == Some(&id.as_str()))
            .map(|row| row[0])
    }

    fn gid(&self, group: &str) -> Option<u32> {
        self.group.row(group)?.get(ID)?.parse().ok()
    }

    /// The numbers of an owner that a recipe names.
    pub(in crate::settings) fn owner(&self, owner: &Owner) -> Result<(u32, u32), AccountsError> {
        let uid = match &owner.user {
            Principal::Id(id) => *id,
            Principal::Name(name) => self
                .passwd
                .row(name.as_str())
                .and_then(|row| row.get(ID)?.parse().ok())
                .ok_or_else(|| unknown("user", name.as_str(), &self.passwd))?,
        };
        let gid = match &owner.group {
            Principal::Id(id) => *id,
            Principal::Name(name) => {
                // A user alone stands for its own group, whatever that is called.
                let own = (owner.user == owner.group)
                    .then(|| {
                        self.passwd
                            .row(name.as_str())?
                            .get(PASSWD_GID)?
                            .parse()
                            .ok()
                    })
                    .flatten();
                own.or_else(|| self.gid(name.as_str()))
                    .ok_or_else(|| unknown("group", name.as_str(), &self.group))?
            }
        };
        Ok((uid, gid))
    }
}

fn unknown(what: &'static str, name: &str, table: &Table) -> AccountsError {
    AccountsError::Unknown {
        what,
        name: name.to_owned(),
        nearest: crate::recipe::nearest(name, &table.names()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        Database {
            passwd: Table::parse(
                "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n",
            ),
            group: Table::parse(
                "root:x:0:\nshadow:x:42:\nsudo:x:27:bob\nusers:x:1000:\nwww-data:x:33:\n",
            ),
            shadow: Table::parse("root:*:20000:0:99999:7:::\nwww-data:*:20000:0:99999:7:::\n"),
            gshadow: Some(Table::parse("root:*::\nsudo:*::bob\n")),
        }
    }

    fn user(json: &str) -> User {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_user_is_written_into_all_four_files() {
        let mut database = database();
        let ada = user(r#"{"name": "ada", "groups": ["sudo"], "comment": "Ada L."}"#);
        // 1000 is a group's.
        assert_eq!(
            database.add(&ada, "/bin/bash", 20_780).unwrap(),
            (1001, 1001)
        );
        let last = |table: &Table| table.render().lines().last().unwrap().to_owned();
        assert_eq!(
            last(&database.passwd),
            "ada:x:1001:1001:Ada L.:/home/ada:/bin/bash"
        );
        assert_eq!(last(&database.group), "ada:x:1001:");
        assert_eq!(last(&database.shadow), "ada:!:20780:0:99999:7:::");
        assert_eq!(last(database.gshadow.as_ref().unwrap()), "ada:!::");
        assert!(database.group.render().contains("sudo:x:27:bob,ada\n"));
        assert!(
            database
                .gshadow
                .unwrap()
                .render()
                .contains("sudo:*::bob,ada\n")
        );
    }

    #[test]
    fn names_and_ids_that_are_taken_are_refused() {
        for (json, message) in [
            (
                r#"{"name": "www-data"}"#,
                "the user www-data is in the tree already; choose another name",
            ),
            (
                r#"{"name": "sudo"}"#,
                "the group sudo is in the tree already; choose another name",
            ),
            (
                r#"{"name": "a", "uid": 1000}"#,
                "the user or group id 1000 of a belongs to users in the tree already",
            ),
            (
                r#"{"name": "a", "groups": ["sud"]}"#,
                "there is no group sud in the tree; did you mean sudo?",
            ),
        ] {
            let error = database().add(&user(json), "/bin/sh", 0).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn root_stays_locked_unless_a_hash_is_given() {
        let root = |d: &Database| d.shadow.render().lines().next().unwrap().to_owned();
        let mut database = database();
        database.set_root_password(None, 1);
        assert_eq!(root(&database), "root:*:20000:0:99999:7:::");
        database.set_root_password(Some("$6$x$y"), 20_780);
        assert_eq!(root(&database), "root:$6$x$y:20780:0:99999:7:::");
        database.set_root_password(None, 20_781);
        assert_eq!(root(&database), "root:*:20781:0:99999:7:::");
        database.shadow = Table::parse("root::20000:0:99999:7:::");
        database.set_root_password(None, 20_782);
        assert_eq!(root(&database), "root:*:20782:0:99999:7:::");
    }

    #[test]
    fn owners_are_looked_up_in_the_tree() {
        let owner = |text: &str| database().owner(&text.parse().unwrap());
        assert_eq!(owner("www-data").unwrap(), (33, 33));
        assert_eq!(owner("root:shadow").unwrap(), (0, 42));
        assert_eq!(owner("5:6").unwrap(), (5, 6));
        assert!(owner("nobody").is_err());
        assert!(owner("root:nobody").is_err());
    }

    #[test]
    fn a_tree_without_shadow_gets_one() {
        let mut database = database();
        database.passwd = Table::parse("root:*:0:0:root:/root:/bin/bash\n");
        database.shadow = Table::default();
        database.make_shadow();
        assert_eq!(
            database.passwd.render(),
            "root:x:0:0:root:/root:/bin/bash\n"
        );
        assert_eq!(database.shadow.render(), "root:*::0:99999:7:::\n");
    }
}
