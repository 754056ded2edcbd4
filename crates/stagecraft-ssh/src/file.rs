//! Reads whole files.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Reads a file of at most `limit` bytes; `None` if it does not exist.
///
/// # Errors
///
/// Those of reading, [`ErrorKind::FileTooLarge`], and [`ErrorKind::InvalidInput`] for a pipe, which
/// could block a run forever.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let kind = match std::fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if kind.is_fifo() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a pipe"));
    }
    let mut content = Vec::new();
    let read = File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut content)?;
    if read as u64 > limit {
        let message = format!("it has more than {limit} bytes");
        return Err(Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_and_large_files_are_refused_and_missing_ones_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(read(&path, 3).unwrap().is_none());
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"abc");
        assert_eq!(read(&path, 2).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(Path::new("/dev/null"), 2).unwrap().unwrap(), b"");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert_eq!(read(&pipe, 3).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(read(folder.path(), 3).is_err());
    }
}
