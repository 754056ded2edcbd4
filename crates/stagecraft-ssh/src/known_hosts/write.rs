//! Writes known hosts files atomically, one writer at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stagecraft_core::{Error, ErrorKind, Result, Retry, Run, seconds};

use super::line::{self, Marker};
use super::{PublicKeyLine, read};

/// How long a writer waits for the others, and how often it checks.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Makes `key` the only key of `name`, or removes the name.
///
/// As [`update_all`] with one change.
///
/// # Errors
///
/// As [`update_all`].
pub async fn update(run: &Run, path: &Path, name: &str, key: Option<&PublicKeyLine>) -> Result<()> {
    update_all(run, path, [(name, key)]).await
}

/// Makes each key the only one of its name, or removes a name without a key.
///
/// A name is what [`name_of`](super::name_of) returns, or any alias. All other lines stay,
/// including comments, patterns and lines marked `@revoked`. A new file gets the mode 0600, a new
/// directory 0700. The file is replaced atomically while a lock on `FILE.lock` beside it is held,
/// so concurrent writers lose nothing and a kill leaves the old file. Nothing is written if nothing
/// changes.
///
/// # Errors
///
/// [`ErrorKind::Config`] if a name cannot be written, or a file cannot be read or written;
/// [`ErrorKind::Timeout`] if another writer holds the lock for 10 seconds; [`ErrorKind::Cancelled`]
/// while waiting for it.
pub async fn update_all<'a>(
    run: &Run,
    path: &Path,
    changes: impl IntoIterator<Item = (&'a str, Option<&'a PublicKeyLine>)>,
) -> Result<()> {
    let mut wanted = Vec::new();
    for (name, key) in changes {
        wanted.push((checked(name)?, key));
    }
    // A symbolic link is followed, not replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let failed = |error| unwritable(&path, error);
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(directory).map_err(failed)?;
    }
    // Held until it is dropped.
    let lock = options().open(beside(&path, ".lock")).map_err(failed)?;
    wait_for(run, &lock, &path).await?;
    replace(&path, &wanted)
}

/// The caller must hold the lock.
fn replace(path: &Path, wanted: &[(String, Option<&PublicKeyLine>)]) -> Result<()> {
    let old = read(path)?;
    let new = edited(&old, wanted);
    if new == old {
        return Ok(());
    }
    let draft = beside(path, ".new");
    let write = || {
        // The leftover of a killed writer may contain anything.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = options().create_new(true).open(&draft)?;
        file.write_all(&new)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| unwritable(path, error))
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot write the known host keys to {}", path.display());
    Error::new(ErrorKind::Config, message).with_source(error)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

async fn wait_for(run: &Run, lock: &File, path: &Path) -> Result<()> {
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_LIMIT => {
                run.sleep(LOCK_PAUSE).await?;
            }
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "another program writes {} and did not end within {}",
                    path.display(),
                    seconds(LOCK_LIMIT)
                );
                return Err(Error::new(ErrorKind::Timeout, message).with_retry(Retry::After(None)));
            }
            Err(TryLockError::Error(error)) => {
                let message = format!("cannot lock {}.lock", path.display());
                return Err(Error::new(ErrorKind::Config, message).with_source(error));
            }
        }
    }
}

/// A name that is valid in a file without escapes, in lower case.
fn checked(name: &str) -> Result<String> {
    let is_good = !name.is_empty()
        && !name.starts_with(['|', '@', '#'])
        && name
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, ',' | '*' | '?' | '!'));
    if is_good {
        Ok(name.to_ascii_lowercase())
    } else {
        let message = format!("{name:?} cannot be the name of a host among known host keys");
        Err(Error::new(ErrorKind::Config, message))
    }
}

/// The content after all changes.
fn edited(old: &[u8], wanted: &[(String, Option<&PublicKeyLine>)]) -> Vec<u8> {
    let mut new = old.to_vec();
    for (name, key) in wanted {
        new = edited_once(&new, name, *key);
    }
    new
}

fn edited_once(old: &[u8], name: &str, key: Option<&PublicKeyLine>) -> Vec<u8> {
    let mut new = Vec::with_capacity(old.len() + 128);
    let mut has_key = false;
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let named = line::fields(body)
            .ok()
            .flatten()
            .filter(|fields| fields.marker == Marker::None)
            .and_then(|fields| Some((line::hosts_without(fields.hosts, name)?, fields)));
        let Some((others, fields)) = named else {
            new.extend_from_slice(line);
            continue;
        };
        let known = line::parse(body, 0).ok().flatten();
        let is_same = key.is_some() && known.as_ref().map(|entry| &entry.key) == key;
        if is_same && !has_key {
            has_key = true;
            new.extend_from_slice(line);
        } else if !others.is_empty() {
            new.extend_from_slice(&others);
            new.push(b' ');
            new.extend_from_slice(fields.rest);
            new.push(b'\n');
        }
    }
    if let Some(key) = key.filter(|_| !has_key) {
        if !new.is_empty() && !new.ends_with(b"\n") {
            new.push(b'\n');
        }
        new.extend_from_slice(format!("{name} {key}\n").as_bytes());
    }
    new
}
