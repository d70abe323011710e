//! The file that records go to. When it is full it becomes `PATH.1`, what was that `PATH.2`, and so
//! on up to the number of full files that are kept.
//!
//! Nothing that is kept goes before its time, whatever fails: the new file is opened under another name before anything is
//! renamed, and a rotation that broke off is gone on with where it stopped. Until the file can be rotated it takes as much again.
//! A file that somebody moved away is noticed, and another opened in its place.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of lines that wait to be written.
const MAX_WAITING: usize = 64 << 10;

pub(super) struct RotatingFile {
    path: PathBuf,
    max_size: u64,
    keep: u32,
    file: File,
    identity: Identity,
    /// Bytes of the file, and of what waits.
    size: u64,
    /// Lines that are not written yet; of the first one a part may be.
    waiting: Vec<u8>,
    /// What went wrong without the loss of a line, until it is told.
    trouble: Option<io::Error>,
}

/// What tells a file from others: its device, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// Whether there is something that is no file: a pipe, a device.
pub(super) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

impl RotatingFile {
    /// Opens the file, or goes on with the one that is there.
    pub(super) fn open(path: PathBuf, max_size: u64, keep: u32) -> io::Result<Self> {
        let (file, metadata) = open(&path)?;
        Ok(Self {
            path,
            max_size,
            keep,
            file,
            identity: Identity::of(&metadata),
            size: metadata.len(),
            waiting: Vec::new(),
            trouble: None,
        })
    }

    /// Writes a line. It may stay in memory until [`flush`](Self::flush).
    ///
    /// # Errors
    /// The line is lost.
    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if let Err(error) = self.make_room(bytes) {
            if !self.takes(bytes, self.max_size.saturating_mul(2)) {
                return Err(error);
            }
            self.trouble = Some(error);
        }
        if self.waiting.len() + line.len() >= MAX_WAITING {
            self.deliver()?;
        }
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
        self.size += bytes;
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// It waits on; or it is written, and the file could not be rotated, or opened where it belongs.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let delivered = self.deliver();
        let trouble = self.trouble.take();
        delivered?;
        trouble.map_or(Ok(()), Err)
    }

    /// Returns when all of it is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let flushed = self.flush();
        self.file.sync_data()?;
        flushed
    }

    fn takes(&self, bytes: u64, limit: u64) -> bool {
        self.size == 0 || self.size + bytes <= limit
    }

    /// Rotates the file where it is full.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        if self.takes(bytes, self.max_size) {
            return Ok(());
        }
        self.find_place()?;
        if self.takes(bytes, self.max_size) {
            return Ok(());
        }
        let new = self.beside("new");
        let (file, metadata) = open(&new)?;
        self.put()?;
        self.file.sync_data()?;
        self.shift()?;
        match fs::rename(&self.path, self.full(1)) {
            // Moved away in this moment.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        // Where this fails, the file is not in its place the next time, and is opened there without another rotation.
        fs::rename(new, &self.path)?;
        self.go_on_with(file, &metadata);
        Ok(())
    }

    /// Makes room for one more full file. Those before the first gap move up, so that what was done before a failure is not
    /// done again; where there is no gap, the oldest goes.
    fn shift(&self) -> io::Result<()> {
        let mut free = 1;
        while free < self.keep && is_there(&self.full(free))? {
            free += 1;
        }
        for number in (1..free).rev() {
            fs::rename(self.full(number), self.full(number + 1))?;
        }
        Ok(())
    }

    /// Opens another file where this one was moved away, or deleted.
    fn find_place(&mut self) -> io::Result<()> {
        if let Ok(found) = fs::metadata(&self.path)
            && Identity::of(&found) == self.identity
        {
            // Somebody may have cut it.
            self.size = found.len() + self.waiting.len() as u64;
            return Ok(());
        }
        if self.is_linked()? {
            self.put()?;
        }
        let (file, metadata) = open(&self.path)?;
        self.go_on_with(file, &metadata);
        Ok(())
    }

    fn go_on_with(&mut self, file: File, metadata: &Metadata) {
        // Whatever went wrong before is over.
        self.trouble = None;
        self.file = file;
        self.identity = Identity::of(metadata);
        self.size = metadata.len() + self.waiting.len() as u64;
    }

    /// Whether the file still has a name.
    fn is_linked(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() > 0)
    }

    /// Writes what waits to the file in its place; to the one that is open where that cannot be.
    fn deliver(&mut self) -> io::Result<()> {
        if let Err(error) = self.find_place() {
            self.trouble = Some(error);
        }
        self.put()
    }

    fn put(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() && !self.is_linked()? {
            let text = "it was deleted, and no other can be made in its place";
            return Err(io::Error::new(ErrorKind::NotFound, text));
        }
        while !self.waiting.is_empty() {
            match self.file.write(&self.waiting) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn full(&self, number: u32) -> PathBuf {
        self.beside(&number.to_string())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{suffix}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Who called what is not for everybody on this machine.
    let file = File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tempfile::TempDir;

    /// A folder with an audit of files with room for two lines of four bytes.
    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn open(&self, keep: u32) -> RotatingFile {
            RotatingFile::open(self.path("audit"), 8, keep).unwrap()
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap_or_else(|error| error.kind().to_string())
        }

        /// Something that no file can be renamed to, nor opened as.
        fn block(&self, name: &str) {
            fs::create_dir(self.path(name)).unwrap();
            fs::write(self.path(name).join("in it"), "").unwrap();
        }

        fn unblock(&self, name: &str) {
            fs::remove_dir_all(self.path(name)).unwrap();
        }

        fn files(&self) -> usize {
            fs::read_dir(self.0.path()).unwrap().count()
        }
    }

    fn write(file: &mut RotatingFile, lines: &[&str]) {
        for line in lines {
            file.write(line).unwrap();
        }
    }

    #[test]
    fn full_files_are_kept_and_the_oldest_dropped() {
        let place = Place::new();
        let mut file = place.open(2);
        write(
            &mut file,
            &["one", "two", "thr", "fou", "fiv", "six", "sev"],
        );
        file.sync().unwrap();
        assert_eq!(place.read("audit"), "sev\n");
        assert_eq!(place.read("audit.1"), "fiv\nsix\n");
        assert_eq!(place.read("audit.2"), "thr\nfou\n");
        assert_eq!(place.files(), 3);
    }

    #[test]
    fn a_file_that_is_there_is_gone_on_with() {
        let place = Place::new();
        fs::write(place.path("audit"), "old\n").unwrap();
        let mut file = place.open(2);
        write(&mut file, &["new", "full"]);
        file.flush().unwrap();
        assert_eq!(place.read("audit"), "full\n");
        assert_eq!(place.read("audit.1"), "old\nnew\n");
    }

    #[test]
    fn a_line_larger_than_a_file_has_one_of_its_own() {
        let place = Place::new();
        let mut file = place.open(1);
        write(&mut file, &["a long line"]);
        file.flush().unwrap();
        assert_eq!(place.read("audit"), "a long line\n");
        assert_eq!(place.files(), 1);
    }

    #[test]
    fn a_file_that_was_moved_away_is_replaced_and_nothing_is_shifted() {
        let place = Place::new();
        let mut file = place.open(2);
        write(&mut file, &["one", "two", "thr"]);
        file.flush().unwrap();
        fs::rename(place.path("audit"), place.path("mine")).unwrap();
        write(&mut file, &["fou"]);
        file.flush().unwrap();
        assert_eq!(place.read("mine"), "thr\nfou\n", "until it is noticed");
        write(&mut file, &["fiv"]);
        file.flush().unwrap();
        assert_eq!(place.read("audit"), "fiv\n");
        assert_eq!(place.read("audit.1"), "one\ntwo\n");
        // Also where it is noticed when the file is full.
        write(&mut file, &["six"]);
        file.flush().unwrap();
        fs::rename(place.path("audit"), place.path("mine too")).unwrap();
        write(&mut file, &["sev"]);
        file.flush().unwrap();
        assert_eq!(place.read("audit"), "sev\n");
        assert_eq!(place.read("audit.1"), "one\ntwo\n");
        assert!(!place.path("audit.2").exists());
    }

    #[test]
    fn a_file_that_was_deleted_or_cut_is_noticed() {
        let place = Place::new();
        let mut file = place.open(2);
        write(&mut file, &["one", "two"]);
        file.flush().unwrap();
        fs::remove_file(place.path("audit")).unwrap();
        write(&mut file, &["thr", "fou"]);
        file.flush().unwrap();
        assert_eq!(place.read("audit"), "thr\nfou\n");
        // As logrotate's `copytruncate` does.
        fs::write(place.path("audit"), "").unwrap();
        write(&mut file, &["fiv", "six"]);
        file.flush().unwrap();
        assert_eq!(place.read("audit"), "fiv\nsix\n");
        assert_eq!(place.files(), 1);
    }

    #[test]
    fn a_deleted_file_whose_place_is_taken_keeps_what_waits() {
        let place = Place::new();
        let mut file = place.open(2);
        write(&mut file, &["one"]);
        file.flush().unwrap();
        fs::remove_file(place.path("audit")).unwrap();
        place.block("audit");
        write(&mut file, &["two"]);
        assert!(file.flush().is_err());
        place.unblock("audit");
        file.flush().unwrap();
        assert_eq!(place.read("audit"), "two\n");
    }

    #[test]
    fn a_rotation_that_fails_costs_nothing_that_is_kept_and_is_told() {
        // Without a place for the new file, then for a full one: first among those that are kept, then last.
        for blocked in ["audit.new", "audit.1", "audit.3"] {
            let place = Place::new();
            let mut file = place.open(3);
            let full = ["one", "two", "thr", "fou", "fiv", "six", "sev", "eig"];
            write(&mut file, &full);
            file.flush().unwrap();
            if blocked != "audit.new" {
                fs::remove_file(place.path(blocked)).unwrap();
            }
            place.block(blocked);
            if blocked == "audit.1" {
                // It would only be moved on.
                fs::remove_file(place.path("audit.2")).unwrap();
                place.block("audit.2");
            }
            let kept: Vec<_> = ["audit.2", "audit.3"].map(|name| place.read(name)).to_vec();
            for line in ["nin", "ten"] {
                file.write(line).unwrap();
                assert!(file.flush().is_err(), "{blocked}");
            }
            assert_eq!(place.read("audit"), "sev\neig\nnin\nten\n", "{blocked}");
            // No more than twice the size; and nothing is lost but this.
            for _ in 0..10 {
                assert!(file.write("ele").is_err(), "{blocked}");
            }
            let after: Vec<_> = ["audit.2", "audit.3"].map(|name| place.read(name)).to_vec();
            if blocked == "audit.new" {
                assert_eq!(after, kept);
                assert_eq!(place.read("audit.1"), "fiv\nsix\n");
                place.unblock(blocked);
                write(&mut file, &["twe"]);
                file.flush().unwrap();
                assert_eq!(place.read("audit"), "twe\n");
                assert_eq!(place.read("audit.1"), "sev\neig\nnin\nten\n");
                assert_eq!(place.read("audit.2"), "fiv\nsix\n");
                assert_eq!(place.read("audit.3"), "thr\nfou\n");
            }
        }
    }

    #[test]
    fn a_rotation_that_broke_off_is_gone_on_with() {
        let place = Place::new();
        for (name, lines) in [
            ("audit.1", "one\n"),
            ("audit.2", "two\n"),
            ("audit", "now\n"),
        ] {
            fs::write(place.path(name), lines).unwrap();
        }
        let mut file = place.open(3);
        write(&mut file, &["mor"]);
        file.flush().unwrap();
        // As it is after the shift, and as it is after the file was renamed.
        fs::rename(place.path("audit.2"), place.path("audit.3")).unwrap();
        fs::rename(place.path("audit.1"), place.path("audit.2")).unwrap();
        write(&mut file, &["thr"]);
        file.flush().unwrap();
        let kept = || ["audit", "audit.1", "audit.2", "audit.3"].map(|name| place.read(name));
        assert_eq!(kept(), ["thr\n", "now\nmor\n", "one\n", "two\n"]);
        write(&mut file, &["fou"]);
        file.flush().unwrap();
        for (from, to) in [
            ("audit.2", "audit.3"),
            ("audit.1", "audit.2"),
            ("audit", "audit.1"),
        ] {
            fs::rename(place.path(from), place.path(to)).unwrap();
        }
        fs::write(place.path("audit.new"), "").unwrap();
        write(&mut file, &["fiv"]);
        file.flush().unwrap();
        assert_eq!(kept(), ["fiv\n", "thr\nfou\n", "now\nmor\n", "one\n"]);
    }

    #[test]
    fn what_cannot_be_written_waits_within_bounds_and_goes_out_whole() {
        let place = Place::new();
        let mut file = RotatingFile::open(place.path("audit"), 1 << 30, 1).unwrap();
        let line = "x".repeat(999);
        let good = std::mem::replace(&mut file.file, File::open(place.path("audit")).unwrap());
        let taken = (0..1_000).filter(|_| file.write(&line).is_ok()).count();
        assert!((60..=66).contains(&taken), "{taken}");
        assert!(file.flush().is_err());
        assert!(file.waiting.len() <= MAX_WAITING);
        file.file = good;
        write(&mut file, &["after"]);
        file.flush().unwrap();
        let text = place.read("audit");
        assert_eq!(text.lines().count(), taken + 1);
        assert!(text.lines().take(taken).all(|written| written == line));
    }
}
