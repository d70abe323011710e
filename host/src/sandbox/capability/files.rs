//! Folders of the host, as preopened directories of WASI.
//!
//! Every path that a guest names is resolved inside its folder: `..`, absolute paths and symbolic links that would lead
//! out of it are refused. How much a guest writes into a folder that is granted with `read-write` is *not* limited
//! here: grant a file system of its own, or one with a quota.

use std::fmt;
use std::sync::Arc;

use sandglass_manifest::{Access, FolderGrant, ManifestError};
use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::folders::GrantedFolders;

/// The folders that a source's tools see.
#[derive(Clone, Default)]
pub struct Files {
    folders: Arc<[Folder]>,
}

struct Folder {
    /// What is open since it was granted: all calls share it, and what one opens is opened relative to it.
    dir: Dir,
    guest: String,
}

impl Files {
    /// Takes the folders from those that are open. Blocks on the file system.
    pub(super) fn configure(
        given: &[FolderGrant],
        open: &GrantedFolders,
    ) -> Result<Self, ManifestError> {
        let folder = |(index, folder): (usize, &FolderGrant)| {
            let refuse = |problem: String| {
                folder
                    .host
                    .error(format!("allow.files[{index}].host: {problem}"))
            };
            let file = open.get(&folder.host).map_err(refuse)?;
            let (permissions, mode) = match folder.access {
                Access::Read => (FsPerms::ReadOnly, OpenMode::READ),
                Access::ReadWrite => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
            };
            // It takes a descriptor of its own, which is given back at once: sources share the one.
            let own = file.try_clone().map_err(|error| {
                let shown = folder.host.display();
                refuse(format!("the folder {shown} cannot be kept open: {error}"))
            })?;
            let mut dir = Dir::new(own, permissions, mode, false);
            dir.dir = file;
            Ok(Folder {
                dir,
                guest: folder.guest.clone(),
            })
        };
        Ok(Self {
            folders: given
                .iter()
                .enumerate()
                .map(folder)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The folders, by the names that a guest knows them by.
    pub(in crate::sandbox) fn folders(&self) -> impl Iterator<Item = (Dir, &str)> {
        let folders = self.folders.iter();
        folders.map(|folder| (folder.dir.clone(), folder.guest.as_str()))
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.folders.iter().map(|folder| &folder.guest);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    use super::super::folders::Grant;

    use wasmtime::component::{Resource, ResourceTable};
    use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
    use wasmtime_wasi::p2::FsResult;
    use wasmtime_wasi::p2::bindings::filesystem::types::{
        DescriptorFlags, ErrorCode, HostDescriptor as _, NewTimestamp, OpenFlags, PathFlags,
    };
    use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

    /// What a guest holds.
    struct Guest {
        files: Files,
        wasi: WasiCtx,
        table: ResourceTable,
    }

    impl WasiView for Guest {
        fn ctx(&mut self) -> WasiCtxView<'_> {
            WasiCtxView {
                ctx: &mut self.wasi,
                table: &mut self.table,
            }
        }
    }

    type File = Resource<Descriptor>;

    impl Guest {
        fn of(files: Files) -> Self {
            Self {
                files,
                wasi: WasiCtx::builder().build(),
                table: ResourceTable::new(),
            }
        }

        fn with(host: &Path, access: Access) -> Self {
            Self::of(configure(&[folder(host, access)]).unwrap())
        }

        fn folders(&mut self) -> Vec<(File, String)> {
            let folders = self.files.folders();
            folders
                .map(|(dir, name)| {
                    let handle = self.table.push(Descriptor::Dir(dir)).unwrap();
                    (handle, name.to_owned())
                })
                .collect()
        }

        fn folder(&mut self) -> File {
            self.folders().remove(0).0
        }

        async fn open(
            &mut self,
            path: &str,
            open: OpenFlags,
            flags: DescriptorFlags,
        ) -> FsResult<File> {
            let folder = self.folder();
            self.filesystem()
                .open_at(
                    folder,
                    PathFlags::SYMLINK_FOLLOW,
                    path.to_owned(),
                    open,
                    flags,
                )
                .await
        }

        async fn read(&mut self, path: &str) -> FsResult<Vec<u8>> {
            let file = self
                .open(path, OpenFlags::empty(), DescriptorFlags::READ)
                .await?;
            let (bytes, _) = self.filesystem().read(file, 100, 0).await?;
            Ok(bytes)
        }

        async fn write(&mut self, path: &str) -> FsResult<u64> {
            let file = self
                .open(path, OpenFlags::CREATE, DescriptorFlags::WRITE)
                .await?;
            self.filesystem().write(file, b"new".to_vec(), 0).await
        }
    }

    fn configure(given: &[FolderGrant]) -> Result<Files, ManifestError> {
        let grants = given.iter().map(|folder| Grant {
            host: folder.host.clone(),
            writes: folder.access == Access::ReadWrite,
            name: String::new(),
        });
        let open = GrantedFolders::default();
        open.replace(grants.collect(), Vec::new()).unwrap();
        Files::configure(given, &open)
    }

    fn folder(host: &Path, access: Access) -> FolderGrant {
        FolderGrant {
            host: host.to_owned().into(),
            guest: "/data".to_owned(),
            access,
        }
    }

    /// `data` is granted, and lies beside a file that is not.
    fn beside_a_secret() -> (tempfile::TempDir, std::path::PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("file"), "old").unwrap();
        fs::write(parent.path().join("secret"), "s3cret").unwrap();
        (parent, data)
    }

    fn refusal<T>(result: FsResult<T>) -> Option<ErrorCode> {
        result.err().map(|error| error.downcast().unwrap())
    }

    #[tokio::test]
    async fn a_guest_sees_the_granted_folders_by_their_names() {
        let (_parent, data) = beside_a_secret();
        let mut guest = Guest::with(&data, Access::Read);
        let names: Vec<_> = guest.folders().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["/data"]);
        assert_eq!(guest.read("file").await.unwrap(), b"old");
        let mut guest = Guest::of(Files::default());
        assert!(guest.folders().is_empty());
    }

    #[tokio::test]
    async fn no_path_leads_out_of_the_folder() {
        let (parent, data) = beside_a_secret();
        let secret = parent.path().join("secret");
        std::os::unix::fs::symlink(&secret, data.join("absolute")).unwrap();
        std::os::unix::fs::symlink("../secret", data.join("relative")).unwrap();
        std::os::unix::fs::symlink("..", data.join("up")).unwrap();
        for access in [Access::Read, Access::ReadWrite] {
            let mut guest = Guest::with(&data, access);
            for path in [
                "../secret",
                "./../secret",
                "file/../../secret",
                secret.to_str().unwrap(),
                "absolute",
                "relative",
                "up/secret",
            ] {
                assert!(guest.read(path).await.is_err(), "{path}");
            }
        }
    }

    #[tokio::test]
    async fn read_refuses_every_change() {
        let (_parent, data) = beside_a_secret();
        let mut guest = Guest::with(&data, Access::Read);
        let refused = Some(ErrorCode::NotPermitted);
        let name = || "file".to_owned();
        for (open, flags) in [
            (OpenFlags::CREATE, DescriptorFlags::READ),
            (OpenFlags::TRUNCATE, DescriptorFlags::READ),
            (OpenFlags::empty(), DescriptorFlags::WRITE),
        ] {
            assert_eq!(refusal(guest.open("file", open, flags).await), refused);
        }
        assert_eq!(refusal(guest.write("new").await), refused);
        let file = guest
            .open("file", OpenFlags::empty(), DescriptorFlags::READ)
            .await
            .unwrap();
        let same = || Resource::new_borrow(file.rep());
        let folder = guest.folder();
        let here = || Resource::new_borrow(folder.rep());
        let now = NewTimestamp::Now;
        let mut view = guest.filesystem();
        assert!(view.write(same(), b"new".to_vec(), 0).await.is_err());
        assert!(view.write_via_stream(same(), 0).is_err());
        assert!(view.append_via_stream(same()).is_err());
        for result in [
            view.set_size(same(), 0).await,
            view.set_times(same(), now, now).await,
            view.set_times_at(here(), PathFlags::empty(), name(), now, now)
                .await,
            view.create_directory_at(here(), "new".to_owned()).await,
            view.remove_directory_at(here(), name()).await,
            view.unlink_file_at(here(), name()).await,
            view.rename_at(here(), name(), here(), "new".to_owned())
                .await,
            view.symlink_at(here(), name(), "new".to_owned()).await,
            view.link_at(here(), PathFlags::empty(), name(), here(), "new".to_owned())
                .await,
        ] {
            assert_eq!(refusal(result), refused);
        }
        assert_eq!(fs::read(data.join("file")).unwrap(), b"old");
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn read_write_changes_what_is_in_the_folder() {
        let (_parent, data) = beside_a_secret();
        let mut guest = Guest::with(&data, Access::ReadWrite);
        guest.write("new").await.unwrap();
        assert_eq!(fs::read(data.join("new")).unwrap(), b"new");
    }

    #[test]
    fn a_folder_that_is_none_is_named() {
        let (_parent, data) = beside_a_secret();
        for (path, part) in [
            (data.join("missing"), "cannot be read"),
            (data.join("file"), "is not a folder"),
        ] {
            let given = [folder(&data, Access::Read), folder(&path, Access::Read)];
            let error = configure(&given).unwrap_err().to_string();
            assert!(error.starts_with("allow.files[1].host: "), "{error}");
            assert!(error.contains(part), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_replaced_is_still_the_one_that_was_granted() {
        let (parent, data) = beside_a_secret();
        let files = configure(&[folder(&data, Access::Read)]).unwrap();
        fs::rename(&data, parent.path().join("moved")).unwrap();
        std::os::unix::fs::symlink(parent.path(), &data).unwrap();
        let mut guest = Guest::of(files);
        assert_eq!(guest.read("file").await.unwrap(), b"old");
        assert!(guest.read("secret").await.is_err());
    }
}
