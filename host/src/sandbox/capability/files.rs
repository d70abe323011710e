//! Folders of the host, as preopened directories of WASI.
//!
//! Every path that a guest names is resolved inside its folder: `..`, absolute paths and symbolic links that would lead
//! out of it are refused. How much a guest writes into a folder that is granted with `read-write` is *not* limited
//! here: grant a file system of its own, or one with a quota.

use std::io;
use std::sync::Arc;

use sandglass_manifest::{Access, FolderGrant, ManifestError};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::trail::Trail;

/// The folders that a source's tools see.
#[derive(Debug, Clone, Default)]
pub struct Files {
    folders: Arc<[FolderGrant]>,
}

impl Files {
    /// Checks that the folders are there. Blocks on the file system.
    pub(super) fn configure(given: &[FolderGrant]) -> Result<Self, ManifestError> {
        for (index, folder) in given.iter().enumerate() {
            let refuse = |problem| {
                folder
                    .host
                    .error(format!("allow.files[{index}].host: {problem}"))
            };
            let shown = folder.host.display();
            match std::fs::read_dir(&*folder.host) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    return Err(refuse(format!(
                        "{shown} is not a folder; name the one it is in"
                    )));
                }
                Err(error) => {
                    return Err(refuse(format!(
                        "the folder {shown} cannot be read: {error}; make it, or correct the path"
                    )));
                }
            }
        }
        Ok(Self {
            folders: given.into(),
        })
    }

    /// Opens the folders for a call: one system call each. One that went away since the source was loaded is not there
    /// for the guest.
    pub(super) fn prepare(&self, wasi: &mut WasiCtxBuilder, trail: &Trail) {
        for folder in &*self.folders {
            let permissions = match folder.access {
                Access::Read => FsPerms::ReadOnly,
                Access::ReadWrite => FsPerms::ReadWrite,
            };
            if let Err(error) = wasi.preopened_dir(&*folder.host, &folder.guest, permissions) {
                trail.denied(format!(
                    "the folder {} for {}: {error}",
                    folder.host.display(),
                    folder.guest
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    use wasmtime::component::{Resource, ResourceTable};
    use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
    use wasmtime_wasi::p2::FsResult;
    use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
    use wasmtime_wasi::p2::bindings::filesystem::types::{
        DescriptorFlags, ErrorCode, HostDescriptor as _, NewTimestamp, OpenFlags, PathFlags,
    };
    use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

    /// What a guest holds.
    struct Guest {
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
        fn of(files: &Files, trail: &Trail) -> Self {
            let mut wasi = WasiCtx::builder();
            files.prepare(&mut wasi, trail);
            Self {
                wasi: wasi.build(),
                table: ResourceTable::new(),
            }
        }

        fn with(host: &Path, access: Access) -> Self {
            let files = Files::configure(&[folder(host, access)]).unwrap();
            Self::of(&files, &Trail::default())
        }

        fn folders(&mut self) -> Vec<(File, String)> {
            self.filesystem().get_directories().unwrap()
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
        let mut guest = Guest::of(&Files::default(), &Trail::default());
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
            let error = Files::configure(&given).unwrap_err().to_string();
            assert!(error.starts_with("allow.files[1].host: "), "{error}");
            assert!(error.contains(part), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_folder_that_went_away_is_not_there_and_in_the_trail() {
        let (_parent, data) = beside_a_secret();
        let files = Files::configure(&[folder(&data, Access::Read)]).unwrap();
        fs::remove_dir_all(&data).unwrap();
        let trail = Trail::default();
        assert!(Guest::of(&files, &trail).folders().is_empty());
        assert_eq!(trail.denials().len(), 1);
    }
}
