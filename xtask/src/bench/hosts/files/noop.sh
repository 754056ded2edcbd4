# The same checks as a person would write them.
test "$(dpkg-query -W -f='${db:Status-Abbrev}' docker-ce)" = 'ii ' || exit 1
systemctl is-active --quiet docker || exit 1
systemctl is-enabled --quiet docker || exit 1
docker version --format '{{.Server.Version}}' >/dev/null || exit 1
docker compose version --short >/dev/null || exit 1
test "$(cat /etc/sysctl.d/zz-stagecraft.conf)" = "# Kernel settings of infra.bootstrap.sysctl, written by Stagecraft.
net/core/somaxconn=1024" || exit 1
test "$(sysctl -n net.core.somaxconn)" = 1024 || exit 1
id deploy >/dev/null || exit 1
getent group docker | grep -q deploy || exit 1
grep -qF "@KEY@" /home/deploy/.ssh/authorized_keys || exit 1
test "$(readlink /etc/localtime)" = /usr/share/zoneinfo/Etc/UTC || exit 1
