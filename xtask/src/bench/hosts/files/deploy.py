from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import apt, files, server, systemd

apt.packages(name="docker is installed", packages=["docker-ce"])
systemd.service(name="docker runs", service="docker", running=True, enabled=True)
assert host.get_fact(Command, command="docker version --format '{{.Server.Version}}'")
assert host.get_fact(Command, command="docker compose version --short")
files.put(
    name="kernel setting is written",
    src="zz-stagecraft.conf",
    dest="/etc/sysctl.d/zz-stagecraft.conf",
    mode="644",
)
server.sysctl(name="kernel setting holds", key="net.core.somaxconn", value=1024)
server.user(name="user and group", user="deploy", groups=["docker"], ensure_home=False)
files.line(
    name="the user's key", path="/home/deploy/.ssh/authorized_keys", line=r"@KEY@"
)
files.link(
    name="time zone", path="/etc/localtime", target="/usr/share/zoneinfo/Etc/UTC"
)
