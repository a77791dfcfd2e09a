//! The disk that a power cut leaves behind, made from the record of the shim `powercut`: what was synced is there,
//! everything else may be there or not, whole or torn.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// The unit that a disk writes whole.
const SECTOR: usize = 512;

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Gone, all of it.
    Nothing,
    /// There, all of it.
    Everything,
    /// Each write is there or not.
    Some,
    /// As that, and of those that are there some are cut short.
    Torn,
}

impl Cut {
    /// Draws one.
    pub fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..10) {
            0..4 => Cut::Nothing,
            4 => Cut::Everything,
            5..7 => Cut::Some,
            _ => Cut::Torn,
        }
    }
}

/// The folder's content as the disk has it, and what is on its way there.
#[derive(Default)]
pub struct SimDisk {
    files: Vec<Content>,
    /// Names as the program sees them.
    now: BTreeMap<Vec<u8>, Entry>,
    /// Names as the disk has them.
    names: BTreeMap<Vec<u8>, Entry>,
    /// Changes of names that are not synced, in order.
    pending: Vec<(u64, NameChange)>,
    /// What was counted while reading.
    pub seen: Seen,
}

/// How much the record said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Syncs of files and folders.
    pub syncs: u64,
    /// Writes that no sync covered when the power went.
    pub unsynced: u64,
}

impl std::ops::Add for Seen {
    type Output = Seen;

    fn add(self, other: Seen) -> Seen {
        Seen { syncs: self.syncs + other.syncs, unsynced: self.unsynced + other.unsynced }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Folder,
    File(usize),
}

#[derive(Default)]
struct Content {
    disk: Vec<u8>,
    pending: Vec<(u64, Change)>,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// One step; those of a rename stay together when they survive by luck.
struct NameChange {
    set: Option<(Vec<u8>, Entry)>,
    removed: Option<Vec<u8>>,
}

impl SimDisk {
    /// Reads what one run of the server did. The folder was as [`SimDisk::restore`] left it.
    pub fn read(&mut self, record: &[u8]) -> Result<()> {
        // Which file a number means; numbers of files that are gone are given again.
        let mut bound: HashMap<u64, Entry> = HashMap::new();
        let mut paths: HashMap<u64, Vec<u8>> = HashMap::new();
        let mut at = 0;
        while let Some(entry) = record.get(at..).and_then(Step::read) {
            let (offset, Step { op, node, place, bytes }) = (at as u64, entry);
            at += Step::HEAD + bytes.len();
            match op {
                b'C' => {
                    self.files.push(Content::default());
                    let entry = Entry::File(self.files.len() - 1);
                    bound.insert(node, entry);
                    self.name(offset, Some((bytes.to_vec(), entry)), None);
                }
                b'O' => {
                    let entry = if bytes.is_empty() { Some(Entry::Folder) } else { self.now.get(bytes).copied() };
                    let entry = entry.with_context(|| format!("{} is not known", bytes.escape_ascii()))?;
                    bound.insert(node, entry);
                    paths.insert(node, bytes.to_vec());
                }
                b'W' => self.file(&bound, node)?.pending.push((offset, Change::Write(place as usize, bytes.to_vec()))),
                b'T' => self.file(&bound, node)?.pending.push((offset, Change::Length(place as usize))),
                b'S' => {
                    self.seen.syncs += 1;
                    match bound.get(&node) {
                        Some(Entry::File(file)) => self.files[*file].sync(place),
                        Some(Entry::Folder) => {
                            self.sync_folder(paths.get(&node).context("a folder has a path")?, place)
                        }
                        None => bail!("a sync of a file that was not opened"),
                    }
                }
                b'M' => self.name(offset, Some((bytes.to_vec(), Entry::Folder)), None),
                b'U' => self.name(offset, None, Some(bytes.to_vec())),
                b'R' | b'L' => {
                    let split = bytes.iter().position(|byte| *byte == 0).context("two paths")?;
                    let (from, to) = (&bytes[..split], &bytes[split + 1..]);
                    let entry = *self.now.get(from).with_context(|| format!("{} is not known", from.escape_ascii()))?;
                    if entry == Entry::Folder {
                        bail!("folders are not moved");
                    }
                    self.name(offset, Some((to.to_vec(), entry)), (op == b'R').then(|| from.to_vec()));
                }
                other => bail!("`{}` is no operation", other.escape_ascii()),
            }
        }
        Ok(())
    }

    fn file(&mut self, bound: &HashMap<u64, Entry>, node: u64) -> Result<&mut Content> {
        match bound.get(&node) {
            Some(Entry::File(file)) => Ok(&mut self.files[*file]),
            _ => bail!("a write to a file that was not opened"),
        }
    }

    fn name(&mut self, offset: u64, set: Option<(Vec<u8>, Entry)>, removed: Option<Vec<u8>>) {
        let change = NameChange { set, removed };
        change.apply(&mut self.now);
        self.pending.push((offset, change));
    }

    /// A synced folder has its own names on disk, not those of others.
    fn sync_folder(&mut self, folder: &[u8], before: u64) {
        let mut left = Vec::new();
        for (offset, NameChange { set, removed }) in self.pending.drain(..) {
            let due = |path: &[u8]| offset < before && parent(path) == folder;
            let (set_now, set) =
                set.map_or((None, None), |it| if due(&it.0) { (Some(it), None) } else { (None, Some(it)) });
            let (removed_now, removed) =
                removed.map_or((None, None), |it| if due(&it) { (Some(it), None) } else { (None, Some(it)) });
            NameChange { set: set_now, removed: removed_now }.apply(&mut self.names);
            if set.is_some() || removed.is_some() {
                left.push((offset, NameChange { set, removed }));
            }
        }
        self.pending = left;
    }

    /// The power goes: decides what of the unsynced there is, and forgets the rest.
    pub fn cut(&mut self, cut: Cut, rng: &mut StdRng) {
        let names = match cut {
            Cut::Nothing => 0,
            Cut::Everything => self.pending.len(),
            // File systems keep the order of what happens to names.
            Cut::Some | Cut::Torn => rng.random_range(0..=self.pending.len()),
        };
        for (_, change) in self.pending.drain(..).take(names) {
            change.apply(&mut self.names);
        }
        for file in &mut self.files {
            self.seen.unsynced += file.pending.len() as u64;
            for (_, mut change) in std::mem::take(&mut file.pending) {
                let survives = match cut {
                    Cut::Nothing => false,
                    Cut::Everything => true,
                    Cut::Some | Cut::Torn => rng.random_bool(0.5),
                };
                if cut == Cut::Torn
                    && let Change::Write(place, bytes) = &mut change
                    && rng.random_bool(0.3)
                {
                    let kept = rng.random_range(0..=bytes.len() / SECTOR) * SECTOR;
                    if rng.random_bool(0.5) {
                        bytes.truncate(kept);
                    } else {
                        bytes.drain(..kept);
                        *place += kept;
                    }
                }
                if survives {
                    change.apply(&mut file.disk);
                }
            }
        }
        self.now = self.names.clone();
    }

    /// Makes the folder what the disk has.
    pub fn restore(&mut self, folder: &Path) -> Result<()> {
        fs::remove_dir_all(folder)?;
        fs::create_dir(folder)?;
        // What lies in a folder whose own name was lost is lost with it.
        let mut reached: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        for (path, entry) in &self.names {
            let above = parent(path);
            if !above.is_empty() && !reached.contains_key(above) {
                continue;
            }
            let place = folder.join(std::str::from_utf8(path)?);
            match entry {
                Entry::Folder => fs::create_dir(&place)?,
                Entry::File(file) => fs::write(&place, &self.files[*file].disk)?,
            }
            reached.insert(path.clone(), *entry);
        }
        // Two names of one file are two files from here on; nothing writes to a file that has two.
        self.names = reached.clone();
        self.now = reached;
        Ok(())
    }
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |slash| &path[..slash])
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<Vec<u8>, Entry>) {
        if let Some(path) = &self.removed {
            names.remove(path);
        }
        if let Some((path, entry)) = &self.set {
            names.insert(path.clone(), *entry);
        }
    }
}

impl Content {
    fn sync(&mut self, before: u64) {
        let due = self.pending.partition_point(|(offset, _)| *offset < before);
        for (_, change) in self.pending.drain(..due) {
            change.apply(&mut self.disk);
        }
    }
}

impl Change {
    fn apply(&self, disk: &mut Vec<u8>) {
        match self {
            Change::Write(place, bytes) => {
                let end = place + bytes.len();
                if disk.len() < end {
                    disk.resize(end, 0);
                }
                disk[*place..end].copy_from_slice(bytes);
            }
            Change::Length(length) => disk.resize(*length, 0),
        }
    }
}

/// An entry of the record.
struct Step<'a> {
    op: u8,
    node: u64,
    place: u64,
    bytes: &'a [u8],
}

impl<'a> Step<'a> {
    const HEAD: usize = 21;

    /// None at the end, and for an entry that the kill cut off.
    fn read(record: &'a [u8]) -> Option<Self> {
        let number = |from: usize| Some(u64::from_le_bytes(record.get(from..from + 8)?.try_into().ok()?));
        let length = u32::from_le_bytes(record.get(17..21)?.try_into().ok()?) as usize;
        let bytes = record.get(Self::HEAD..Self::HEAD + length)?;
        Some(Self { op: *record.first()?, node: number(1)?, place: number(9)?, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn step(record: &mut Vec<u8>, op: u8, node: u64, place: u64, bytes: &[u8]) {
        record.push(op);
        record.extend(node.to_le_bytes());
        record.extend(place.to_le_bytes());
        record.extend((bytes.len() as u32).to_le_bytes());
        record.extend(bytes);
    }

    fn left(record: &[u8], cut: Cut) -> BTreeMap<String, Vec<u8>> {
        let folder = std::env::temp_dir().join(format!("sim-disk-{}-{:x}", std::process::id(), rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        let mut disk = SimDisk::default();
        disk.read(record).unwrap();
        disk.cut(cut, &mut StdRng::seed_from_u64(1));
        disk.restore(&folder).unwrap();
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            found.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        }
        fs::remove_dir_all(folder).unwrap();
        found
    }

    /// A file that is written, synced, written again; its name synced or not.
    fn record(name_synced: bool) -> Vec<u8> {
        let mut record = Vec::new();
        step(&mut record, b'C', 7, 0, b"a");
        step(&mut record, b'W', 7, 0, b"one");
        let here = record.len() as u64;
        step(&mut record, b'W', 7, 0, b"two!");
        // It began before the second write.
        step(&mut record, b'S', 7, here, b"");
        step(&mut record, b'O', 2, 0, b"");
        if name_synced {
            let here = record.len() as u64;
            step(&mut record, b'S', 2, here, b"");
        }
        record
    }

    #[test]
    fn what_was_synced_is_there_and_no_more() {
        let file = |bytes: &[u8]| BTreeMap::from([("a".to_owned(), bytes.to_vec())]);
        assert_eq!(left(&record(true), Cut::Nothing), file(b"one"));
        assert_eq!(left(&record(true), Cut::Everything), file(b"two!"));
        assert_eq!(left(&record(false), Cut::Nothing), BTreeMap::new());
        let mut torn = record(true);
        torn.truncate(torn.len() - 1);
        assert_eq!(left(&torn, Cut::Nothing), BTreeMap::new());
    }

    #[test]
    fn a_new_name_is_there_once_its_folder_is_synced() {
        let mut record = record(true);
        step(&mut record, b'R', 0, 0, b"a\0b");
        assert_eq!(left(&record, Cut::Nothing).into_keys().collect::<Vec<_>>(), ["a"]);
        let here = record.len() as u64;
        step(&mut record, b'S', 2, here, b"");
        assert_eq!(left(&record, Cut::Nothing).into_keys().collect::<Vec<_>>(), ["b"]);
    }
}
