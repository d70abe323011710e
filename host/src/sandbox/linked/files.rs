//! `wasi:filesystem`, metered: each look at the file system is paid for, and has its tenant's share of the threads that
//! wait for it.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{self, Mode, OFlags};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, File, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    Filesize, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult, IoError, ReaddirIterator,
};
use wasmtime_wasi::runtime::spawn_blocking;

use super::HAND_OVER;
use super::file_streams::{Place, Reading, Waited, Writing};
use super::open::Opening;
use crate::sandbox::capability::Files;
use crate::sandbox::file_share::{FileShare, Opened};
use crate::sandbox::memory::{HostMemory, Reserved};
use crate::sandbox::meter::Bill;

/// Bytes that the host holds of an entry of a folder beside its name.
const ENTRY: u64 = 256;

/// Fuel for an entry of a folder: it is looked at too.
const LISTED: u64 = 4_000;

/// A guest's descriptors.
pub(in crate::sandbox) struct Folders<'a> {
    pub wasi: WasiFilesystemCtxView<'a>,
    /// The folders that it is granted.
    pub granted: &'a Files,
    pub bill: &'a Bill,
    /// Its tenant's share of files, and of the threads that wait for them.
    pub share: &'a FileShare,
    /// What is open, by its handle.
    pub opened: &'a mut HashMap<u32, Arc<Opened>>,
    pub memory: &'a HostMemory,
    /// What listings hold, by their handles.
    pub listings: &'a mut HashMap<u32, Reserved>,
}

pub(super) struct HasFolders;

impl HasData for HasFolders {
    type Data<'a> = Folders<'a>;
}

impl Folders<'_> {
    /// The right to have a thread wait for the file system. Paid for, with the bytes of paths and contents.
    fn turn(
        &self,
        bytes: usize,
    ) -> impl Future<Output = FsResult<OwnedSemaphorePermit>> + Send + use<> {
        self.bill.charge(HAND_OVER);
        self.bill.bytes(bytes);
        let turn = self.share.turn();
        async { turn.await.map_err(FsError::trap) }
    }

    /// Opens what lies at a path below a folder. Paid for.
    async fn open(
        &mut self,
        folder: &Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        access: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let turn = self.turn(path.len()).await?;
        // As where the system has no more of them.
        let opened = self.share.open().ok_or(ErrorCode::Busy)?;
        let Descriptor::Dir(folder) = self.wasi.table.get(folder)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let folder = folder.clone();
        let opening = Opening::new(folder.perms, flags, open, access)?;
        let (found, opened) = spawn_blocking(move || {
            // As long as the thread is in use, whoever waits for it.
            let _turn = turn;
            (opening.open(&folder, &path), opened)
        })
        .await;
        let file = self.wasi.table.push(found?)?;
        self.opened.insert(file.rep(), Arc::new(opened));
        Ok(file)
    }

    /// The open file behind a handle.
    fn waited(&self, handle: &Resource<Descriptor>, file: &File) -> Waited {
        Waited {
            file: Arc::clone(&file.file),
            opened: self.opened.get(&handle.rep()).cloned(),
            share: self.share.clone(),
            bill: self.bill.clone(),
        }
    }

    fn writing(
        &mut self,
        handle: &Resource<Descriptor>,
        place: Place,
    ) -> FsResult<Resource<DynOutputStream>> {
        let Descriptor::File(file) = self.wasi.table.get(handle)? else {
            return Err(ErrorCode::BadDescriptor.into());
        };
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let stream: DynOutputStream = Box::new(Writing::new(self.waited(handle, file), place));
        Ok(self.wasi.table.push(stream)?)
    }

    /// The entries of a folder, and the bytes of their names.
    fn size(
        &self,
        folder: &Resource<Descriptor>,
    ) -> FsResult<impl Future<Output = std::io::Result<(u64, u64)>> + Send + use<>> {
        let Descriptor::Dir(folder) = self.wasi.table.get(folder)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let folder = Arc::clone(&folder.dir);
        Ok(spawn_blocking(move || {
            let opened = fs::openat(
                folder.as_fd(),
                c".",
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            let mut size = (0, 0);
            for entry in fs::Dir::new(opened)? {
                size.0 += 1;
                size.1 += entry?.file_name().count_bytes() as u64;
            }
            Ok(size)
        }))
    }
}

impl types::Host for Folders<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<IoError>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi.filesystem_error_code(error)
    }
}

/// Whether what cannot be opened to be written may be opened to be read.
fn may_be_read(error: &FsError) -> bool {
    let code = error.downcast_ref();
    matches!(code, Some(ErrorCode::Access | ErrorCode::IsDirectory))
}

impl preopens::Host for Folders<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let folders = self.granted.folders();
        folders
            .map(|(folder, name)| {
                let handle = self.wasi.table.push(Descriptor::Dir(folder))?;
                Ok((handle, name.to_owned()))
            })
            .collect()
    }
}

impl types::HostDescriptor for Folders<'_> {
    fn read_via_stream(
        &mut self,
        handle: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        let stream: DynInputStream = match self.wasi.table.get(&handle)? {
            Descriptor::File(file) => Box::new(Reading::new(self.waited(&handle, file), offset)),
            Descriptor::Dir(_) => return Err(ErrorCode::IsDirectory.into()),
        };
        Ok(self.wasi.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        file: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.writing(&file, Place::At(offset))
    }

    fn append_via_stream(
        &mut self,
        file: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.writing(&file, Place::End)
    }

    async fn advise(
        &mut self,
        file: Resource<Descriptor>,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        let _turn = self.turn(0).await?;
        self.wasi.advise(file, offset, length, advice).await
    }

    async fn sync_data(&mut self, file: Resource<Descriptor>) -> FsResult<()> {
        let _turn = self.turn(0).await?;
        self.wasi.sync_data(file).await
    }

    async fn get_flags(&mut self, file: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        let _turn = self.turn(0).await?;
        self.wasi.get_flags(file).await
    }

    async fn get_type(&mut self, file: Resource<Descriptor>) -> FsResult<DescriptorType> {
        let _turn = self.turn(0).await?;
        self.wasi.get_type(file).await
    }

    async fn set_size(&mut self, file: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let _turn = self.turn(0).await?;
        self.wasi.set_size(file, size).await
    }

    async fn set_times(
        &mut self,
        file: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let _turn = self.turn(0).await?;
        self.wasi.set_times(file, accessed, modified).await
    }

    async fn read(
        &mut self,
        file: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let _turn = self.turn(0).await?;
        let read = self.wasi.read(file, length, offset).await?;
        self.bill.bytes(read.0.len());
        Ok(read)
    }

    async fn write(
        &mut self,
        file: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        let _turn = self.turn(bytes.len()).await?;
        self.wasi.write(file, bytes, offset).await
    }

    async fn read_directory(
        &mut self,
        folder: Resource<Descriptor>,
    ) -> FsResult<Resource<ReaddirIterator>> {
        let _turn = self.turn(0).await?;
        let (entries, bytes) = self.size(&folder)?.await?;
        self.bill.charge(entries.saturating_mul(LISTED));
        let held = entries.saturating_mul(ENTRY).saturating_add(bytes);
        let Some(reserved) = self.memory.reserve(held) else {
            return Err(ErrorCode::InsufficientMemory.into());
        };
        let listing = self.wasi.read_directory(folder).await?;
        self.listings.insert(listing.rep(), reserved);
        Ok(listing)
    }

    async fn sync(&mut self, file: Resource<Descriptor>) -> FsResult<()> {
        let _turn = self.turn(0).await?;
        self.wasi.sync(file).await
    }

    async fn create_directory_at(
        &mut self,
        folder: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let _turn = self.turn(path.len()).await?;
        self.wasi.create_directory_at(folder, path).await
    }

    async fn stat(&mut self, file: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        let _turn = self.turn(0).await?;
        self.wasi.stat(file).await
    }

    async fn stat_at(
        &mut self,
        folder: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let _turn = self.turn(path.len()).await?;
        self.wasi.stat_at(folder, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        folder: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        if !flags.contains(PathFlags::SYMLINK_FOLLOW) {
            let _turn = self.turn(path.len()).await?;
            return self
                .wasi
                .set_times_at(folder, flags, path, accessed, modified)
                .await;
        }
        let none = OpenFlags::empty();
        let write = DescriptorFlags::WRITE;
        let file = match self.open(&folder, flags, path.clone(), none, write).await {
            Err(error) if may_be_read(&error) => {
                let read = DescriptorFlags::READ;
                self.open(&folder, flags, path, none, read).await?
            }
            file => file?,
        };
        let here = Resource::new_borrow(file.rep());
        let set = self.set_times(here, accessed, modified).await;
        types::HostDescriptor::drop(self, file).map_err(FsError::trap)?;
        set
    }

    async fn link_at(
        &mut self,
        folder: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        new_folder: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let _turn = self.turn(path.len() + new_path.len()).await?;
        self.wasi
            .link_at(folder, flags, path, new_folder, new_path)
            .await
    }

    async fn open_at(
        &mut self,
        folder: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        mode: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        self.open(&folder, flags, path, open, mode).await
    }

    async fn readlink_at(
        &mut self,
        folder: Resource<Descriptor>,
        path: String,
    ) -> FsResult<String> {
        let _turn = self.turn(path.len()).await?;
        let target = self.wasi.readlink_at(folder, path).await?;
        self.bill.bytes(target.len());
        Ok(target)
    }

    async fn remove_directory_at(
        &mut self,
        folder: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let _turn = self.turn(path.len()).await?;
        self.wasi.remove_directory_at(folder, path).await
    }

    async fn rename_at(
        &mut self,
        folder: Resource<Descriptor>,
        path: String,
        new_folder: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let _turn = self.turn(path.len() + new_path.len()).await?;
        self.wasi
            .rename_at(folder, path, new_folder, new_path)
            .await
    }

    async fn symlink_at(
        &mut self,
        folder: Resource<Descriptor>,
        target: String,
        path: String,
    ) -> FsResult<()> {
        let _turn = self.turn(target.len() + path.len()).await?;
        self.wasi.symlink_at(folder, target, path).await
    }

    async fn unlink_file_at(&mut self, folder: Resource<Descriptor>, path: String) -> FsResult<()> {
        let _turn = self.turn(path.len()).await?;
        self.wasi.unlink_file_at(folder, path).await
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let _turn = self.turn(0).await.map_err(wasmtime::Error::from)?;
        self.wasi.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, file: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        let _turn = self.turn(0).await?;
        self.wasi.metadata_hash(file).await
    }

    async fn metadata_hash_at(
        &mut self,
        folder: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let _turn = self.turn(path.len()).await?;
        self.wasi.metadata_hash_at(folder, flags, path).await
    }

    fn drop(&mut self, file: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.opened.remove(&file.rep());
        types::HostDescriptor::drop(&mut self.wasi, file)
    }
}

impl types::HostDirectoryEntryStream for Folders<'_> {
    async fn read_directory_entry(
        &mut self,
        listing: Resource<ReaddirIterator>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let entry = self.wasi.read_directory_entry(listing).await?;
        if let Some(entry) = &entry {
            self.bill.bytes(entry.name.len());
        }
        Ok(entry)
    }

    fn drop(&mut self, listing: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        self.listings.remove(&listing.rep());
        types::HostDirectoryEntryStream::drop(&mut self.wasi, listing)
    }
}
