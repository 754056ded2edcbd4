//! Writes a file with one command.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use stagecraft_core::{Error, ErrorKind, HostName, RemoteOutput, Result, Upload, seconds};

use crate::quote::{Wire, argv_line};

/// Deadline of one file.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// Arguments: path, size in bytes, mode, owner or nothing. The size distinguishes a whole content
/// from one cut off by a lost connection: both end with an end of file. Ten minutes are far more
/// than [`DEADLINE`], so no running upload of the same file is taken for the leftover of a killed
/// one.
const SCRIPT: &str = r#"set -eu
umask 077
path=$1 size=$2 mode=$3 owner=$4
dir=${path%/*}
dir=${dir:-/}
if [ ! -d "$dir" ]; then echo "directory $dir does not exist" >&2; exit 1; fi
if [ -d "$path" ]; then echo "$path is a directory" >&2; exit 1; fi
for old in "$dir/.${path##*/}.stagecraft-"??????; do
  if [ -f "$old" ] && [ ! -L "$old" ] && [ -O "$old" ]; then
    find "$old" -prune -mmin +10 -exec rm -f -- {} + || :
  fi
done
# unwritten: says which file system is full, if that is why.
unwritten() {
  {
    df -kP "$dir" | while read -r _ all _ left _ mount; do
      case $all/$left in *[!0-9/]* | 0/*) continue ;; esac
      [ "$left" -ge 512 ] || echo "the file system of $mount is full ($left of $all KiB are free)"
    done
    df -iP "$dir" | while read -r _ all _ left _ mount; do
      case $all/$left in *[!0-9/]* | 0/*) continue ;; esac
      [ "$left" -gt 0 ] || echo "the file system of $mount can hold no more files (0 of $all are free)"
    done
  } 2>/dev/null | head -n 1 >&2
  exit 1
}
tmp=
trap '[ -z "$tmp" ] || rm -f -- "$tmp"' EXIT
trap 'exit 1' HUP INT PIPE TERM
tmp=$(mktemp -- "$dir/.${path##*/}.stagecraft-XXXXXX") || unwritten
cat >"$tmp" || unwritten
if [ "$(wc -c <"$tmp")" -ne "$size" ]; then echo "content did not arrive whole" >&2; exit 1; fi
[ -z "$owner" ] || chown -- "$owner" "$tmp"
chmod -- "$mode" "$tmp"
mv -f -- "$tmp" "$path"
tmp="#;

/// The command that writes the file. Repeating it writes the same again; a lost connection leaves
/// the old file.
pub(crate) fn command(upload: &Upload) -> Result<Wire> {
    check(upload)?;
    let content = upload.content.expose_secret().as_bytes();
    let size = content.len().to_string();
    let mode = format!("{:04o}", upload.mode);
    let owner = upload.owner.as_deref().unwrap_or_default();
    let argv = ["sh", "-c", SCRIPT, "sh", &upload.path, &size, &mode, owner];
    Ok(Wire {
        line: argv_line(&argv)?,
        stdin: content.to_vec(),
    })
}

/// Whether the command has written the file.
pub(crate) fn written(upload: &Upload, host: &HostName, ended: Result<RemoteOutput>) -> Result<()> {
    let failed = |kind, source: Error| {
        let retry = source.retry();
        Error::new(kind, format!("cannot write {} on {host}", upload.path))
            .with_retry(retry)
            .with_source(source)
    };
    match ended {
        Ok(output) => match output.success() {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(ErrorKind::CommandFailed, error)),
        },
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Err(error) if error.kind() == ErrorKind::Timeout => Err(Error::new(
            ErrorKind::Timeout,
            format!(
                "writing {} did not end within {}",
                upload.path,
                seconds(DEADLINE)
            ),
        )
        .with_source(error)),
        Err(error) => Err(failed(error.kind(), error)),
    }
}

fn check(upload: &Upload) -> Result<()> {
    let wrong = |rule: &str| {
        Err(Error::new(
            ErrorKind::Config,
            format!("cannot write to {:?}: {rule}", upload.path),
        ))
    };
    let name = upload.path.rsplit('/').next().unwrap_or_default();
    if !upload.path.starts_with('/') {
        return wrong("the path is not absolute");
    }
    if matches!(name, "" | "." | "..") {
        return wrong("the path names no file");
    }
    if upload.mode > 0o7777 {
        return wrong("the mode has more than four octal digits");
    }
    if upload.owner.as_deref().is_some_and(str::is_empty) {
        return wrong("the owner is empty");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Command, Stdio};

    use secrecy::SecretString;

    use super::*;

    #[test]
    fn impossible_uploads_are_refused_before_anything_is_sent() {
        let table = [
            ("etc/x", 0o600, None),
            ("/etc/", 0o600, None),
            ("/etc/..", 0o600, None),
            ("/etc/x", 0o10000, None),
            ("/etc/x", 0o600, Some("")),
        ];
        for (path, mode, owner) in table {
            let upload = Upload {
                path: path.to_owned(),
                content: SecretString::from("x"),
                mode,
                owner: owner.map(str::to_owned),
            };
            let error = check(&upload).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{path} {mode:o} {owner:?}");
        }
    }

    /// Fake programs make the file system full.
    #[test]
    fn full_file_system_is_named_and_nothing_is_left() {
        let blocks = "[ \"$1\" != -kP ] || echo 'tmpfs 4096 4090 6 100% /run'";
        let files = "case $1 in -iP) echo 'tmpfs 64 64 0 100% /run' ;; *) echo 'tmpfs 4096 8 4088 1% /run' ;; esac";
        let room = "echo 'tmpfs 4096 8 4088 1% /run'";
        for (program, text, df, words) in [
            (
                "mktemp",
                "exit 1",
                files,
                "the file system of /run can hold no more files (0 of 64 are free)",
            ),
            (
                "cat",
                "exit 1",
                blocks,
                "the file system of /run is full (6 of 4096 KiB are free)",
            ),
            ("cat", "echo broken >&2; exit 1", room, "broken"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let bin = folder.path().join("bin");
            let target = folder.path().join("target");
            fs::create_dir(&bin).unwrap();
            fs::create_dir(&target).unwrap();
            let writer = "printf '%s\\n' \"$2\" >\"$1\" && chmod 755 \"$1\"";
            for (name, text) in [(program, text), ("df", df)] {
                let made = Command::new("sh")
                    .args(["-c", writer, "sh"])
                    .arg(bin.join(name))
                    .arg(format!("#!/bin/sh\n{text}"))
                    .status()
                    .unwrap();
                assert!(made.success());
            }
            let output = Command::new("/bin/sh")
                .args(["-c", SCRIPT, "sh"])
                .arg(target.join("file"))
                .args(["1", "0600", ""])
                .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(1), "{program}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(said.lines().last(), Some(words), "{said}");
            assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
        }
    }
}
