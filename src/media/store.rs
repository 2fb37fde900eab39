//! Pictures that are to be fetched, and those that have been, as files.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::{NamedTempFile, TempPath};

use crate::media::job::{MediaJob, RandomName};
use crate::storage::durable::{Access, Directory, DirectoryLock, StoreError};

/// Whoever is to see a picture gets it from a web server.
const PICTURE_MODE: u32 = 0o644;

/// Numbers are nobody's business but Asterisk's user's.
const JOB_MODE: u32 = 0o600;

/// Where jobs are, in the directory of the pictures, so that what was fetched
/// can be moved there. Web servers mostly hide what starts with a dot, and no
/// name in it is known outside.
const JOBS: &str = ".pending";

/// Extension of a job's file.
const JOB_EXTENSION: &str = "json";

/// The directories.
#[derive(Debug, Clone)]
pub(crate) struct MediaStore {
    pictures: Directory,
    jobs: Directory,
}

impl MediaStore {
    /// The directory for pictures, which is there; what is in it belongs to whoever
    /// owns it.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let access = |mode| Access {
            mode,
            user: metadata.uid(),
            group: metadata.gid(),
        };
        Ok(Self {
            pictures: Directory::new(path, access(PICTURE_MODE)),
            jobs: Directory::new(&path.join(JOBS), access(JOB_MODE)),
        })
    }

    /// Whether there are or were jobs.
    #[must_use]
    pub(crate) fn has_been_used(path: &Path) -> bool {
        path.join(JOBS).is_dir()
    }

    /// Takes charge of it: for whoever fetches.
    ///
    /// # Errors
    /// When another process has, or the directory for jobs cannot be made.
    pub(crate) fn lock(&self) -> io::Result<DirectoryLock> {
        self.pictures.create(self.jobs.path())?;
        let claim = self.jobs.lock()?;
        self.jobs.remove_temporary(Duration::ZERO)?;
        Ok(claim)
    }

    /// Writes, syncs and removes a file where pictures are.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        // Dropping what was written removes it again.
        self.pictures.prepare(b"probe").map(drop)
    }

    /// Notes jobs, all or none; they are durable when this returns. Blocks.
    ///
    /// # Errors
    /// When the disk refuses, or there is no randomness.
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
            for file in set.map_err(io::Error::other)? {
                let name = RandomName::fresh(Some(JOB_EXTENSION))?;
                self.jobs
                    .publish(file, name.as_str().as_ref())
                    .map_err(io::Error::other)?;
                names.push(name);
            }
        }
        self.jobs.sync().map_err(io::Error::other)
    }

    /// Removes a job. One that comes back after a crash does no harm.
    pub(crate) fn forget(&self, name: &RandomName) {
        let _ = self.jobs.remove(name.as_str().as_ref());
    }

    /// Removes several.
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
    /// When it is not there, or is none.
    pub(crate) fn read(&self, name: &RandomName) -> io::Result<MediaJob> {
        let json = std::fs::read(self.jobs.path().join(name.as_str()))?;
        Ok(serde_json::from_slice(&json)?)
    }

    /// Writes a job anew.
    ///
    /// # Errors
    /// When the disk refuses; then it is there as before.
    pub(crate) fn update(&self, name: &RandomName, job: &MediaJob) -> Result<(), StoreError> {
        self.jobs.replace(&job.to_json(), name.as_str().as_ref())
    }

    /// Whether a picture is there.
    #[must_use]
    pub(crate) fn has(&self, picture: &RandomName) -> bool {
        self.pictures.path().join(picture.as_str()).exists()
    }

    /// A file for a picture that comes in; removed when dropped.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, StoreError> {
        self.jobs.begin()
    }

    /// Puts a picture where it belongs; it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses, or there is one of that name; it stays as it is.
    pub(crate) fn keep(&self, file: NamedTempFile, picture: &RandomName) -> Result<(), StoreError> {
        let file: TempPath = self.pictures.finish(file)?;
        self.pictures.publish(file, picture.as_str().as_ref())?;
        self.pictures.sync()
    }

    /// How many bytes of the disk are free.
    ///
    /// # Errors
    /// When the directory is not there.
    pub(crate) fn free(&self) -> io::Result<u64> {
        self.pictures.free()
    }

    /// Removes pictures that are older than `lifetime`, and nothing that is not
    /// ours; how many those were.
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
            // What cannot be removed now is next time.
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
    use std::io::Write as _;

    fn pending() -> (tempfile::TempDir, MediaStore) {
        let folder = tempfile::tempdir().unwrap();
        let pending = MediaStore::open(folder.path()).unwrap();
        drop(pending.lock().unwrap());
        (folder, pending)
    }

    fn job(url: &str) -> MediaJob {
        MediaJob {
            url: url.to_owned(),
            lookup: false,
            name: RandomName::fresh(Some("jpg")).unwrap(),
            interface: String::new(),
            to: "+1".to_owned(),
            from: "+2".to_owned(),
            message: None,
            since: 0,
            tries: 0,
        }
    }

    #[test]
    fn job_is_noted_read_updated_and_forgotten() {
        let (folder, pending) = pending();
        let jobs = [job("https://h/a"), job("https://h/b"), job("https://h/c")];
        let names = pending.put(&jobs).unwrap();
        let read: Vec<_> = names
            .iter()
            .map(|name| pending.read(name).unwrap())
            .collect();
        assert_eq!(read, jobs);
        let (mut listed, mut expected) = (pending.jobs().unwrap(), names.clone());
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
        // Who knows the link does not know the job.
        assert!(
            jobs.iter()
                .all(|job| names.iter().all(|n| n.start() != job.name.start()))
        );
        let file = folder.path().join(".pending").join(names[0].as_str());
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let tried = MediaJob {
            tries: 7,
            ..jobs[0].clone()
        };
        pending.update(&names[0], &tried).unwrap();
        assert_eq!(pending.read(&names[0]).unwrap(), tried);
        pending.forget_all(&names);
        assert_eq!(pending.jobs().unwrap(), []);
    }

    #[test]
    fn picture_is_kept_whole_readable_and_not_overwritten() {
        let (folder, pending) = pending();
        let name = RandomName::fresh(Some("jpg")).unwrap();
        let mut file = pending.begin().unwrap();
        file.write_all(b"one").unwrap();
        assert!(!pending.has(&name));
        pending.keep(file, &name).unwrap();
        assert!(pending.has(&name));
        let path = folder.path().join(name.as_str());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o644);
        let other = pending.begin().unwrap();
        assert!(pending.keep(other, &name).is_err());
        assert_eq!(std::fs::read(path).unwrap(), b"one");
        let left = std::fs::read_dir(folder.path().join(".pending")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn only_old_pictures_of_ours_are_removed() {
        let (folder, pending) = pending();
        let old = RandomName::fresh(None).unwrap();
        for name in [old.as_str(), "index.html", ".htaccess", "photo.jpg"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let job = pending.put(&[job("https://h/a")]).unwrap();
        let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
        assert_eq!(pending.remove_expired(hour, now).unwrap(), 0);
        assert_eq!(pending.remove_expired(hour, now + 2 * hour).unwrap(), 1);
        assert!(!pending.has(&old));
        assert!(folder.path().join("photo.jpg").exists());
        assert_eq!(pending.jobs().unwrap(), job);
    }
}
