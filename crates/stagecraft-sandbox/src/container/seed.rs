//! First-boot seed of a container host, for cloud-init's `NoCloud`.
//!
//! See <https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>.

use std::io;
use std::time::Duration;

use serde_json::json;

use crate::driver::BootRequest;

/// The path of the script that runs as the container's init.
pub(crate) const BOOT_PATH: &str = "/usr/local/sbin/stagecraft-boot";

const BOOT: &str = include_str!("boot.sh");
const SEED: &str = "var/lib/cloud/seed/nocloud";

/// Builds a tar archive of the files that a container gets before it starts.
///
/// # Errors
///
/// Never in practice: the archive is written to memory.
pub(crate) fn archive(request: &BootRequest, first_boot: Duration) -> io::Result<Vec<u8>> {
    let mut archive = Archive(tar::Builder::new(Vec::new()));
    for directory in ["var/lib/cloud", "var/lib/cloud/seed", SEED] {
        archive.directory(directory)?;
    }
    archive.file(&BOOT_PATH[1..], BOOT, 0o755)?;
    archive.file(&format!("{SEED}/meta-data"), &meta_data(request), 0o600)?;
    let user_data = request.user_data.as_deref().unwrap_or_default();
    archive.file(&format!("{SEED}/user-data"), user_data, 0o600)?;
    archive.file(
        &format!("{SEED}/vendor-data"),
        &vendor_data(first_boot),
        0o600,
    )?;
    archive.0.into_inner()
}

fn meta_data(request: &BootRequest) -> String {
    json!({
        "instance-id": request.id.to_string(),
        "local-hostname": request.name,
        "public-keys": request.authorized_keys,
    })
    .to_string()
}

/// Vendor data like DigitalOcean's: allows root to log in by key and installs an agent, which takes
/// time and holds the package lock.
fn vendor_data(first_boot: Duration) -> String {
    let settings = json!({ "disable_root": false, "ssh_pwauth": false });
    let agent = format!(
        "#!/usr/bin/python3\n\
         import fcntl, time\n\
         lock = open('/var/lib/dpkg/lock-frontend', 'w')\n\
         fcntl.lockf(lock, fcntl.LOCK_EX)\n\
         print('installing the agent')\n\
         time.sleep({:.3})\n",
        first_boot.as_secs_f64()
    );
    let parts = json!([
        { "type": "text/cloud-config", "content": format!("#cloud-config\n{settings}\n") },
        { "type": "text/x-shellscript", "filename": "agent", "content": agent },
    ]);
    format!("#cloud-config-archive\n{parts}\n")
}

struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    fn directory(&mut self, path: &str) -> io::Result<()> {
        let mut header = header(0, 0o755);
        header.set_entry_type(tar::EntryType::Directory);
        self.0
            .append_data(&mut header, format!("{path}/"), io::empty())
    }

    fn file(&mut self, path: &str, content: &str, mode: u32) -> io::Result<()> {
        let mut header = header(content.len() as u64, mode);
        self.0.append_data(&mut header, path, content.as_bytes())
    }
}

fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    #[test]
    fn seed_holds_user_data_keys_and_the_time_of_the_first_boot() {
        let request = BootRequest {
            id: 7,
            name: "prod-web-1".to_owned(),
            image: "debian-13-x64".to_owned(),
            user_data: Some("#cloud-config\n{}\n".to_owned()),
            authorized_keys: vec!["ssh-ed25519 AAAA me".to_owned()],
        };
        let bytes = archive(&request, Duration::from_millis(1500)).unwrap();
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(path, (text, entry.header().mode().unwrap()));
        }
        let seed = |name: &str| files[&format!("{SEED}/{name}")].clone();
        assert_eq!(seed("user-data"), ("#cloud-config\n{}\n".to_owned(), 0o600));
        let meta: serde_json::Value = serde_json::from_str(&seed("meta-data").0).unwrap();
        assert_eq!(meta["local-hostname"], "prod-web-1");
        assert_eq!(meta["public-keys"][0], "ssh-ed25519 AAAA me");
        assert!(seed("vendor-data").0.contains("time.sleep(1.500)"));
        assert_eq!(files[&BOOT_PATH[1..]].1, 0o755);
    }
}
