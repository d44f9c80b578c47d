//! Profiles: settings of known products, below the file of the user and above the defaults.
//!
//! The files of `docs/profiles` are part of the program. Each is an ordinary file of settings whose first line describes
//! it; any other file can be named by its path.

use std::path::Path;

use rust_embed::RustEmbed;

use super::{file, source::Sources};

/// The file extension of profiles.
const EXTENSION: &str = "toml";

/// The folder is a link to `docs/profiles`, so that the package of this crate contains it.
#[derive(RustEmbed)]
#[folder = "profiles"]
struct BuiltIn;

/// A profile: its name or path, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Profile {
    /// The built-in profile with this name, or the profile in the file with this path: a name without a dot or a slash
    /// is never a path. Paths are relative to `directory`.
    ///
    /// # Errors
    /// Why there is none, and what to name instead.
    pub(crate) fn find(name: &str, directory: &Path) -> Result<Self, String> {
        if name.contains(['.', '/', '\\']) {
            let text = std::fs::read_to_string(directory.join(name))
                .map_err(|error| format!("the profile {name} cannot be read: {error}"))?;
            return Ok(Self { name: name.to_owned(), text });
        }
        let built_in = Self::built_in();
        let nearest = built_in.iter().min_by_key(|known| strsim::osa_distance(&known.name, name));
        let nearest = nearest.map(|known| known.name.clone()).unwrap_or_default();
        built_in.into_iter().find(|known| known.name == name).ok_or_else(|| {
            format!("there is no profile {name}; the nearest is {nearest}, and ./{name}.toml is a file")
        })
    }

    /// All built-in profiles, by name.
    pub(crate) fn built_in() -> Vec<Self> {
        let mut profiles: Vec<Self> = BuiltIn::iter()
            .filter_map(|file| {
                let name = file.strip_suffix(EXTENSION)?.strip_suffix('.')?.to_owned();
                let text = String::from_utf8(BuiltIn::get(&file)?.data.into_owned()).ok()?;
                Some(Self { name, text })
            })
            .collect();
        profiles.sort_by(|one, other| one.name.cmp(&other.name));
        profiles
    }

    /// The profiles in the files of a folder, by name.
    ///
    /// # Errors
    /// If the folder or a file cannot be read.
    pub(crate) fn in_folder(folder: &Path) -> std::io::Result<Vec<Self>> {
        let mut profiles = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                profiles
                    .push(Self { name: path.display().to_string(), text: std::fs::read_to_string(&path)? });
            }
        }
        profiles.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(profiles)
    }

    /// What it is for: the comment in its first line.
    pub(crate) fn description(&self) -> &str {
        self.text.lines().next().and_then(|line| line.strip_prefix('#')).unwrap_or_default().trim()
    }

    /// Adds its values to those that take precedence over it.
    pub(super) fn read(&self, sources: &mut Sources) {
        let name =
            if self.name.contains('.') { self.name.clone() } else { format!("{}.{EXTENSION}", self.name) };
        file::add(&self.text, &name, sources);
    }
}
