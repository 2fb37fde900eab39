//! Stores jobs and fetched pictures as files.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{NamedTempFile, TempPath};

use crate::media::job::{MediaJob, RandomName};
use crate::storage::durable::{Access, Directory, DirectoryLock, StoreError};
use crate::storage::quarantine;
use crate::storage::regular_file::RegularFile;

/// The web server must be able to read pictures.
const PICTURE_MODE: u32 = 0o644;

/// Jobs hold phone numbers and tokens, which only Asterisk's user may read.
const JOB_MODE: u32 = 0o600;

/// The directory for jobs, inside that for pictures, so that a fetched file can be
/// renamed to its picture. Web servers usually hide names with a leading dot, and
/// the names in it are random.
const JOBS: &str = ".pending";

/// Bytes of a job's file at most.
const JOB_MAX: u64 = 1 << 20;

const JOB_EXTENSION: &str = "json";

/// The directories for jobs and pictures.
#[derive(Debug, Clone)]
pub(crate) struct MediaStore {
    pictures: Directory,
    jobs: Directory,
}

impl MediaStore {
    /// The store in `path`, which must exist. Its files get its owner.
    ///
    /// # Errors
    /// When its metadata cannot be read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let access = |mode| Access {
            mode,
            user: metadata.uid(),
            group: metadata.gid(),
        };
        Ok(Self {
            pictures: Directory::new(path, access(PICTURE_MODE)),
            jobs: Directory::new(&Self::jobs_directory(path), access(JOB_MODE)),
        })
    }

    /// Where the store in `path` keeps its jobs.
    pub(crate) fn jobs_directory(path: &Path) -> PathBuf {
        path.join(JOBS)
    }

    /// Whether `path` was ever locked as a store.
    pub(crate) fn has_been_used(path: &Path) -> bool {
        Self::jobs_directory(path).is_dir()
    }

    /// Locks the store for the worker of this process.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has locked it; another
    /// kind when the directory for jobs cannot be created.
    pub(crate) fn lock(&self) -> io::Result<DirectoryLock> {
        self.pictures.create(self.jobs.path())?;
        let lock = self.jobs.lock()?;
        self.jobs.remove_temporary(Duration::ZERO)?;
        Ok(lock)
    }

    /// Writes, syncs and removes a file in the directory for pictures.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        self.pictures.probe()
    }

    /// Stores jobs, all or none. They are durable when this returns. Blocks.
    ///
    /// # Errors
    /// When the disk refuses, or the system has no randomness.
    pub(crate) fn put(&self, jobs: &[MediaJob]) -> io::Result<Vec<RandomName>> {
        let mut names = Vec::new();
        let put = self.try_put(jobs, &mut names);
        match put {
            Ok(()) => Ok(names),
            Err(error) => {
                self.forget_all(&names);
                Err(error)
            }
        }
    }

    fn try_put(&self, jobs: &[MediaJob], names: &mut Vec<RandomName>) -> io::Result<()> {
        let contents: Vec<_> = jobs.iter().map(MediaJob::to_json).collect();
        let sets: Vec<_> = contents.iter().map(|json| vec![json.as_slice()]).collect();
        for set in self.jobs.prepare_all(&sets) {
            for file in set? {
                let name = RandomName::fresh(Some(JOB_EXTENSION))?;
                self.jobs.publish(file, name.as_str().as_ref())?;
                names.push(name);
            }
        }
        Ok(self.jobs.sync()?)
    }

    /// Removes a job. It may come back after a crash, which does no harm.
    pub(crate) fn forget(&self, name: &RandomName) {
        let _ = self.jobs.remove(name.as_str().as_ref());
    }

    pub(crate) fn forget_all(&self, names: &[RandomName]) {
        for name in names {
            self.forget(name);
        }
    }

    /// The names of all jobs.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn jobs(&self) -> io::Result<Vec<RandomName>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.jobs.path())? {
            let name = entry?.file_name();
            let name = name.to_str().and_then(RandomName::parse);
            names.extend(name.filter(|name| name.extension() == Some(JOB_EXTENSION)));
        }
        Ok(names)
    }

    /// Reads a job.
    ///
    /// # Errors
    /// When its file is missing or malformed.
    pub(crate) fn read(&self, name: &RandomName) -> io::Result<MediaJob> {
        let directory = self.jobs.path();
        RegularFile::read(directory, name.as_str().as_ref(), JOB_MAX)?.json()
    }

    /// Puts a damaged job aside.
    pub(crate) fn put_aside(&self, name: &RandomName, reason: &io::Error) {
        let path = self.jobs.path().join(name.as_str());
        quarantine::put_aside(&self.jobs, &path, reason);
    }

    /// Replaces a job.
    ///
    /// # Errors
    /// When the disk refuses; the job stays as it is.
    pub(crate) fn update(&self, name: &RandomName, job: &MediaJob) -> Result<(), StoreError> {
        self.jobs.replace(&job.to_json(), name.as_str().as_ref())
    }

    pub(crate) fn has(&self, picture: &RandomName) -> bool {
        self.pictures.path().join(picture.as_str()).exists()
    }

    /// Creates a file to write a picture to; [`Self::keep`] stores it. Dropping it
    /// removes it.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, StoreError> {
        self.jobs.begin()
    }

    /// Stores a written picture. It is durable when this returns. Blocks.
    ///
    /// # Errors
    /// When the disk refuses, or a picture with this name exists.
    pub(crate) fn keep(&self, file: NamedTempFile, picture: &RandomName) -> Result<(), StoreError> {
        let file: TempPath = self.pictures.finish(file)?;
        self.pictures.publish(file, picture.as_str().as_ref())?;
        self.pictures.sync()
    }

    /// Free bytes of the disk.
    ///
    /// # Errors
    /// When the directory is missing.
    pub(crate) fn free(&self) -> io::Result<u64> {
        self.pictures.free()
    }

    /// Removes pictures older than `lifetime`, and no files of others. Returns how
    /// many were removed.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn remove_expired(&self, lifetime: Duration, now: SystemTime) -> io::Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(self.pictures.path())? {
            let entry = entry?;
            let is_ours = entry
                .file_name()
                .to_str()
                .and_then(RandomName::parse)
                .is_some();
            if !is_ours {
                continue;
            }
            let metadata = entry.metadata()?;
            let age = now.duration_since(metadata.modified()?).unwrap_or_default();
            // A file that cannot be removed now is tried again the next time.
            if metadata.is_file() && age > lifetime && std::fs::remove_file(entry.path()).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interface::InterfaceName;
    use std::io::Write as _;

    fn store() -> (tempfile::TempDir, MediaStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = MediaStore::open(folder.path()).unwrap();
        drop(store.lock().unwrap());
        (folder, store)
    }

    fn job(url: &str) -> MediaJob {
        MediaJob {
            url: url.to_owned(),
            lookup: false,
            name: RandomName::fresh(Some("jpg")).unwrap(),
            interface: InterfaceName::unnamed(),
            to: "+1".to_owned(),
            from: "+2".to_owned(),
            provider_id: None,
            received: 0,
            attempts: 0,
        }
    }

    #[test]
    fn job_is_stored_read_updated_and_removed() {
        let (folder, store) = store();
        let jobs = [job("https://h/a"), job("https://h/b"), job("https://h/c")];
        let names = store.put(&jobs).unwrap();
        let read: Vec<_> = names.iter().map(|name| store.read(name).unwrap()).collect();
        assert_eq!(read, jobs);
        let (mut listed, mut expected) = (store.jobs().unwrap(), names.clone());
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
        // A link does not reveal the name of the job.
        assert!(
            jobs.iter()
                .all(|job| names.iter().all(|n| n.start() != job.name.start()))
        );
        let file = folder.path().join(".pending").join(names[0].as_str());
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let tried = MediaJob {
            attempts: 7,
            ..jobs[0].clone()
        };
        store.update(&names[0], &tried).unwrap();
        assert_eq!(store.read(&names[0]).unwrap(), tried);
        store.forget_all(&names);
        assert_eq!(store.jobs().unwrap(), []);
    }

    #[test]
    fn picture_is_stored_readable_and_never_overwritten() {
        let (folder, store) = store();
        let name = RandomName::fresh(Some("jpg")).unwrap();
        let mut file = store.begin().unwrap();
        file.write_all(b"one").unwrap();
        assert!(!store.has(&name));
        store.keep(file, &name).unwrap();
        assert!(store.has(&name));
        let path = folder.path().join(name.as_str());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o644);
        let other = store.begin().unwrap();
        assert!(store.keep(other, &name).is_err());
        assert_eq!(std::fs::read(path).unwrap(), b"one");
        let left = std::fs::read_dir(folder.path().join(".pending")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn only_our_old_pictures_are_removed() {
        let (folder, store) = store();
        let old = RandomName::fresh(None).unwrap();
        for name in [old.as_str(), "index.html", ".htaccess", "photo.jpg"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let job = store.put(&[job("https://h/a")]).unwrap();
        let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
        assert_eq!(store.remove_expired(hour, now).unwrap(), 0);
        assert_eq!(store.remove_expired(hour, now + 2 * hour).unwrap(), 1);
        assert!(!store.has(&old));
        assert!(folder.path().join("photo.jpg").exists());
        assert_eq!(store.jobs().unwrap(), job);
    }
}
