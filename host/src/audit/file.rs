//! The file that records go to. When it is full it becomes `PATH.1`, what was that `PATH.2`, and so
//! on up to the number of full files that are kept.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub(super) struct RotatingFile {
    path: PathBuf,
    max_size: u64,
    keep: u32,
    file: BufWriter<File>,
    size: u64,
}

/// Whether there is something that is no file: a pipe, a device.
pub(super) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

impl RotatingFile {
    /// Opens the file, or goes on with the one that is there.
    pub(super) fn open(path: PathBuf, max_size: u64, keep: u32) -> io::Result<Self> {
        let (file, size) = open(&path)?;
        Ok(Self {
            path,
            max_size,
            keep,
            file,
            size,
        })
    }

    /// Writes a line. It may stay in memory until [`flush`](Self::flush).
    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if self.size > 0 && self.size + bytes > self.max_size {
            self.rotate()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.size += bytes;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Returns when all of it is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.get_ref().sync_data()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        for number in (1..self.keep).rev() {
            match fs::rename(self.full(number), self.full(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.full(1))?;
        (self.file, self.size) = open(&self.path)?;
        Ok(())
    }

    fn full(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<(BufWriter<File>, u64)> {
    use std::os::unix::fs::OpenOptionsExt;
    // Who called what is not for everybody on this machine.
    let file = File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let size = file.metadata()?.len();
    Ok((BufWriter::new(file), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_kept_and_the_oldest_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        // Room for two lines of four bytes.
        let mut file = RotatingFile::open(path.clone(), 9, 2).unwrap();
        for line in ["one", "two", "thr", "fou", "fiv", "six", "sev"] {
            file.write(line).unwrap();
        }
        file.sync().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("audit"), "sev\n");
        assert_eq!(read("audit.1"), "fiv\nsix\n");
        assert_eq!(read("audit.2"), "thr\nfou\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_is_there_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        fs::write(&path, "old\n").unwrap();
        let mut file = RotatingFile::open(path.clone(), 9, 2).unwrap();
        file.write("new").unwrap();
        file.write("full").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "full\n");
    }

    #[test]
    fn a_line_larger_than_a_file_has_one_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let mut file = RotatingFile::open(path.clone(), 4, 1).unwrap();
        file.write("a long line").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "a long line\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
