//! Docker by its own script, with the apt of the host.

use crate::stand_ins::{HOST, host};

/// Does what Docker's own does on a system that it knows.
const SCRIPT: &str = r#"cat >/srv/get.sh <<'END'
set -e
install -D -m 644 /srv/linux/debian/gpg /etc/apt/keyrings/docker.asc
echo "deb [signed-by=/etc/apt/keyrings/docker.asc] $DOWNLOAD_URL/linux/debian trixie stable" \
  >/etc/apt/sources.list.d/docker.list
apt-get -qq update
apt-get -y -qq install docker-ce docker-ce-cli containerd.io docker-compose-plugin \
  docker-buildx-plugin
END"#;

#[tokio::test(flavor = "multi_thread")]
async fn script_is_run_once_and_leaves_nothing_of_its_own() {
    let docker = "docker: { install_method: script, script: 'file:///srv/get.sh', mirror: 'file:///srv/linux' }";
    let lab = host(docker).await;
    let failed = lab.fails().await;
    assert_eq!(failed["code"], "docker_install_failed");
    let cause = "file:///srv/get.sh could not be downloaded";
    assert!(failed.to_string().contains(cause), "{failed}");

    lab.inside(HOST, SCRIPT).await;
    lab.heals().await;
    let version = lab.inside(HOST, "docker --host unix:///run/docker.sock version");
    assert!(version.await.starts_with("Engine 28.0.1;"));
    let left = "ls -d /run/stagecraft-work.* 2>/dev/null || :";
    assert_eq!(lab.inside(HOST, left).await, "");
    lab.shutdown().await;
}
