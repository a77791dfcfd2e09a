//! The settings of the server: `raincheck.toml`, the environment and flags, merged, typed and checked.
//!
//! Flags win over `RAINCHECK_*`, those over the file, the file over the defaults. A value is a leaf of a [`tree`] that
//! knows where it was said; `read` gives the tree its types. One setting is one field in `sections` or `kind`.

mod check;
pub mod defaults;
mod env;
mod file;
#[cfg(test)]
mod fuzz;
pub mod kind;
mod read;
pub mod schema;
mod secret;
pub mod sections;
pub mod show;
mod store_url;
pub mod tree;
mod units;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use kind::{Kind, Queue};
use raincheck_store::BlobPlace;
pub use secret::Secret;
pub use sections::Settings;
pub use store_url::StoreUrl;
use tree::{Fault, Node, Origin, Value};
pub use units::{Period, Size};

/// The commented file that `config init` writes.
pub const TEMPLATE: &str = include_str!("raincheck.toml");
/// The file that is read when it is there and no other was named.
pub const FILE_NAME: &str = "raincheck.toml";

/// What the command line says: setting, value, flag.
pub type Flags = Vec<(&'static [&'static str], String, &'static str)>;

/// Settings, typed and checked, and where each was said.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings.
    pub settings: Settings,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    tree: Node,
}

impl Config {
    /// Reads the file, lays environment and flags over it, and checks the whole.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, Vec<Fault>> {
        Said::read(file)?.with(flags)
    }

    /// Settings made by the program itself, for a server that reads no file.
    pub fn of(settings: Settings) -> Self {
        Self { settings, file: None, tree: Node::empty() }
    }

    /// Where a setting was said.
    pub fn origin(&self, path: &[&str]) -> Origin {
        self.tree.origin(path)
    }

    /// The folder that relative programs of kinds are taken from.
    pub fn folder(&self) -> PathBuf {
        let folder = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        std::path::absolute(folder).or_else(|_| std::env::current_dir()).unwrap_or_else(|_| folder.to_path_buf())
    }
}

/// What the file and the environment say, before it is checked. A file that is a pipe can be read once.
pub struct Said {
    file: Option<PathBuf>,
    tree: Node,
}

impl Said {
    /// Reads the file and lays the environment over it.
    ///
    /// # Errors
    /// When the file can't be read, or is no TOML.
    pub fn read(file: Option<&Path>) -> Result<Self, Vec<Fault>> {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::read_with(file, std::env::vars_os().filter_map(text))
    }

    fn read_with(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Fault>> {
        let file = file.map(Path::to_path_buf).or_else(|| Some(PathBuf::from(FILE_NAME)).filter(|path| path.is_file()));
        let mut tree = match &file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| vec![unreadable(path, &error)])?;
                let mut tree = file::parse(path, &text).map_err(|fault| vec![fault])?;
                anchor(&mut tree, path);
                tree
            }
            None => Node::empty(),
        };
        env::overlay(&mut tree, variables);
        Ok(Self { file, tree })
    }

    /// The settings, with flags laid over what is said.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn with(&self, flags: &Flags) -> Result<Config, Vec<Fault>> {
        let mut tree = self.tree.clone();
        for (path, value, flag) in flags {
            tree.set(path, Value::Loose(value.clone()), Origin::Flag(flag));
        }
        let mut settings: Settings = read::read(&tree)?;
        settings.defaults = settings.defaults.complete();
        if tree.get(&["store", "blobs"]).is_none()
            && let Some(database) = settings.store.url.sqlite_path()
        {
            settings.store.blobs = beside(&database).display().to_string();
        }
        let faults = check::check(&settings, &tree);
        if faults.is_empty() { Ok(Config { settings, file: self.file.clone(), tree }) } else { Err(faults) }
    }
}

/// Where the large payloads of a database of SQLite are, unless it is said otherwise.
pub fn beside(database: &Path) -> PathBuf {
    database.parent().unwrap_or(Path::new("")).join("blobs")
}

fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    let next = if error.kind() == std::io::ErrorKind::NotFound { "; `raincheck config init` writes one" } else { "" };
    Fault { origin: None, path: String::new(), message: format!("cannot read {}: {error}{next}", path.display()) }
}

/// Relative paths in a file are meant from its folder, so that it does not matter where the server is started.
fn anchor(tree: &mut Node, file: &Path) {
    let folder = file.parent().unwrap_or(Path::new(""));
    let within = |node: Option<&mut Node>, scheme: &str| {
        if let Some(Node { value: Value::Text(text), .. }) = node
            && let Some(path) = text.strip_prefix(scheme)
        {
            *text = format!("{scheme}{}", folder.join(path).display());
        }
    };
    within(tree.get_mut(&["store", "url"]), "sqlite:");
    if let Some(blobs) = tree.get_mut(&["store", "blobs"])
        && !matches!(&blobs.value, Value::Text(text) if BlobPlace::is_bucket(text))
    {
        within(Some(blobs), "");
    }
    within(tree.get_mut(&["store", "password"]), "file:");
    within(tree.get_mut(&["store", "s3", "secret_access_key"]), "file:");
    within(tree.get_mut(&["server", "admin_token"]), "file:");
    if let Some(Node { value: Value::Table(kinds), .. }) = tree.get_mut(&["kinds"]) {
        for kind in kinds.values_mut() {
            within(kind.get_mut(&["input_schema"]), "");
        }
    }
}

#[cfg(test)]
mod tests;
