//! Stand-ins for the programs of a cloud host.

/// A shell script installed on a host.
#[derive(Debug)]
pub(crate) struct StandIn {
    /// Its path inside the host.
    pub(crate) path: &'static str,
    /// Its text.
    pub(crate) text: &'static str,
}

macro_rules! stand_in {
    ($path:literal, $file:literal) => {
        StandIn {
            path: $path,
            text: include_str!(concat!("../stand_ins/", $file)),
        }
    };
}

/// All stand-ins. Those below `lib` are copied into the search path by the stand-in of apt when
/// their package is installed.
pub(crate) const ALL: [StandIn; 18] = [
    stand_in!("/usr/local/lib/sandbox/common.sh", "common.sh"),
    stand_in!("/usr/local/lib/sandbox/catalogue.sh", "catalogue.sh"),
    stand_in!("/usr/local/lib/sandbox/docker", "docker.sh"),
    stand_in!("/usr/local/lib/sandbox/sudo", "sudo.sh"),
    stand_in!("/usr/local/lib/sandbox/tailscale", "tailscale.sh"),
    stand_in!("/usr/local/lib/sandbox/tailscaled", "tailscaled.sh"),
    stand_in!(
        "/usr/local/lib/sandbox/unattended-upgrade",
        "unattended-upgrade.sh"
    ),
    stand_in!("/usr/local/sbin/apt-cache", "apt-cache.sh"),
    stand_in!("/usr/local/sbin/apt-get", "apt-get.sh"),
    stand_in!("/usr/local/sbin/apt-mark", "apt-mark.sh"),
    stand_in!("/usr/local/sbin/cloud-init", "cloud-init.sh"),
    stand_in!("/usr/local/sbin/curl", "curl.sh"),
    stand_in!("/usr/local/sbin/dpkg", "dpkg.sh"),
    stand_in!("/usr/local/sbin/dpkg-query", "dpkg-query.sh"),
    stand_in!("/usr/local/sbin/runuser", "runuser.sh"),
    stand_in!("/usr/local/sbin/setpriv", "setpriv.sh"),
    stand_in!("/usr/local/sbin/sshd", "sshd.sh"),
    stand_in!("/usr/local/sbin/systemctl", "systemctl.sh"),
];
