//! Finding a recipe: by path, or by name in the folders of recipes.

use crate::environment;
use crate::exit::{Code, Failure};
use std::path::{Path, PathBuf};

/// The recipe that a user means by `what`: a path if it looks like one or is
/// there, otherwise `what.toml` in the first folder that holds it.
pub(crate) fn find(what: &Path) -> anyhow::Result<PathBuf> {
    find_in(what, &environment::recipe_folders())
}

fn find_in(what: &Path, folders: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let is_path = what.components().count() > 1 || what.extension().is_some_and(|e| e == "toml");
    if is_path || what.is_file() {
        return Ok(what.to_owned());
    }
    let mut file = what.as_os_str().to_owned();
    file.push(".toml");
    if let Some(found) = folders.iter().map(|f| f.join(&file)).find(|p| p.is_file()) {
        return Ok(found);
    }
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(Failure::error(
        Code::Recipe,
        format!(
            "there is no recipe called {}: looked for {} in {}",
            what.display(),
            Path::new(&file).display(),
            folders.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_and_paths_are_not() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_owned();
        let debian = folder.join("debian.toml");
        std::fs::write(&debian, "").unwrap();
        let folders = [folder.join("missing"), folder.clone()];
        assert_eq!(find_in(Path::new("debian"), &folders).unwrap(), debian);
        let path = Path::new("a/b");
        assert_eq!(find_in(path, &folders).unwrap(), path);
        let error = find_in(Path::new("arch"), &folders).unwrap_err();
        assert_eq!(crate::exit::code(&error), Code::Recipe);
    }
}
