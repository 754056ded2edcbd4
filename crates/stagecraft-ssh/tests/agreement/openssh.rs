//! The real programs, and the files and variables that fragments name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What fragments refer to.
pub(crate) struct World {
    directory: TempDir,
    /// The home of the user's entry among the accounts, which OpenSSH uses in place of `HOME`.
    pub(crate) home: PathBuf,
    pub(crate) user: String,
    pub(crate) variables: BTreeMap<String, String>,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let user = text(&Command::new("id").arg("-un").output().unwrap());
        let account = text(
            &Command::new("getent")
                .args(["passwd", &user])
                .output()
                .unwrap(),
        );
        let home = PathBuf::from(account.split(':').nth(5).unwrap());
        let socket = directory.path().join("agent").display().to_string();
        let variables = [
            ("SSH_AUTH_SOCK", socket.as_str()),
            ("CORPUS_SOCKET", "/run/corpus/agent"),
            ("CORPUS_NAME", "corpus"),
        ];
        let world = Self {
            home,
            user,
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            directory,
        };
        let files = [
            ("conf.d/a.conf", "Port 2201\nHost prod-*\n  User of-a\n"),
            (
                "conf.d/b.conf",
                "Host prod-web-1\n  HostName b.example\n  IdentityFile /keys/b\n",
            ),
            ("conf.d/c1.conf", "IdentityFile /keys/c1\n"),
            ("conf.d/c2.conf", "IdentityFile /keys/c2\n"),
            ("conf.d/c10.conf", "IdentityFile /keys/c10\n"),
            ("conf.d/with blank.conf", "User of-blank\n"),
            ("conf.d/.hidden.conf", "User hidden\n"),
            ("conf.d/folder.conf/inner.conf", "User of-inner\n"),
            ("conf.d/empty", ""),
            ("conf.d/star*.txt", "User of-star\n"),
            ("two/x/one.conf", "IdentityFile /keys/x\n"),
            ("two/x.y/one.conf", "IdentityFile /keys/x.y\n"),
            ("two/z/one.conf", "IdentityFile /keys/z\n"),
            ("nested", "Include DIR/conf.d/c1.conf\nPort 2209\n"),
            ("block", "Match host prod-*\n  User of-block\n"),
            ("crlf", "Port 2202\r\nUser of-crlf\r\n"),
        ];
        for (name, content) in files {
            let path = world.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content.replace("DIR", &world.dir())).unwrap();
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn dir(&self) -> String {
        self.directory.path().display().to_string()
    }

    /// The way from the home to the directory, since no test writes into a home.
    pub(crate) fn way_from_home(&self) -> String {
        let depth = self.home.components().count() - 1;
        format!(
            "{}{}",
            "../".repeat(depth),
            self.dir().trim_start_matches('/')
        )
    }

    fn ssh(&self, path: &Path, options: &[String], host: &str) -> Result<String, String> {
        let mut command = Command::new("ssh");
        command
            .arg("-G")
            .arg("-F")
            .arg(path)
            .args(options)
            .arg(host);
        command.envs(&self.variables).env_remove("CORPUS_UNSET");
        let output = command.output();
        let output = output.expect("ssh, from Debian's openssh-client");
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// What `ssh -G` prints, in its order.
    pub(crate) fn resolved(
        &self,
        path: &Path,
        host: &str,
    ) -> Result<Vec<(String, String)>, String> {
        let text = self.ssh(path, &[], host)?;
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect())
    }

    /// A text as OpenSSH replaces tokens and variables in it for a host. It prints some settings
    /// as they are written, but `ControlPath` as it is used.
    pub(crate) fn expanded(&self, path: &Path, host: &str, text: &str) -> Result<String, String> {
        if !text.contains(['%', '~', '$']) {
            return Ok(text.to_owned());
        }
        let option = format!("-oControlPath=\"{}\"", text.replace('"', "\\\""));
        let text = self.ssh(path, &[option], host)?;
        let mut lines = text.lines();
        let path = lines.find_map(|line| line.strip_prefix("controlpath "));
        Ok(path.unwrap_or_default().to_owned())
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
