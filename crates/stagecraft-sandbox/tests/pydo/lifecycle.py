"""Drives a sandbox with pydo, DigitalOcean's own client, through a droplet's life.

SANDBOX_URL and SANDBOX_TOKEN name the sandbox; its first SSH key is `laptop`.
Every answer is held against the shape that pydo documents for it.
"""

import base64
import json
import os
import time
import urllib.request

import pydo
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.policies import HeadersPolicy

from shapes import check, shape_of

URL = os.environ["SANDBOX_URL"]


def client(token):
    """A client that does not retry, and may send its token over loopback's HTTP."""
    headers = HeadersPolicy({"Authorization": f"Bearer {token}"})
    return pydo.Client(
        token=token, endpoint=URL, retry_total=0, authentication_policy=headers
    )


CLIENT = client(os.environ["SANDBOX_TOKEN"])
# What is null in real answers, though the description has a type for it.
NULLABLE = {"completed_at", "kernel", "next_backup_window", "slug", "droplet"}
# What the description declares nullable, which pydo's documentation leaves out.
NULLABLE |= {"droplet_ids", "tags", "inbound_rules", "outbound_rules"}
# What real answers or other clients of the vendor have, and the description lacks.
EXTRA = {
    "account.reserved_ip_limit",
    "account.volume_limit",
    "resources.images",
    "snapshots.id",
}


def call(method, *arguments, status=200, **options):
    """Calls pydo and checks the shape of what it gives back."""
    answer = method(*arguments, **options)
    shape = shape_of(method, status)
    faults = list(check(answer, shape, method.__name__, NULLABLE, EXTRA))
    assert not faults, "\n".join(faults)
    return answer


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def refused(status, message, method, *arguments, **options):
    """Expects an error, which pydo raises or gives back as documented."""
    try:
        answer = method(*arguments, **options)
    except HttpResponseError as error:
        equal(error.status_code, status)
        answer = json.loads(error.response.text())
    shape = shape_of(CLIENT.droplets.get, 404)
    faults = list(check(answer, shape, method.__name__))
    assert not faults, "\n".join(faults)
    ids = {404: "not_found", 409: "conflict", 422: "unprocessable_entity"}
    equal(answer["id"], ids[status])
    assert message in answer["message"], answer


def control(method, path, body=None):
    request = urllib.request.Request(
        f"{URL}/sandbox/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def until(get, wanted):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = get()
        if wanted(answer):
            return answer
        time.sleep(0.02)
    raise AssertionError(f"it never came to that: {answer}")


def pages(method, key, **options):
    """All items of a list, page by page, as the links lead."""
    items, page = [], 1
    while True:
        answer = call(method, page=page, **options)
        items += answer[key]
        links = answer["links"].get("pages", {})
        if "next" not in links:
            equal(len(items), answer["meta"]["total"])
            return items
        assert links["next"].startswith(URL), links
        page += 1


def order(**fields):
    usual = {"size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "region": "nyc3"}
    return usual | fields


def droplet(identifier):
    return call(CLIENT.droplets.get, identifier)["droplet"]


def active(identifier):
    """Waits for a droplet that shows its public address."""

    def is_ready(found):
        v4 = found["networks"].get("v4", [])
        return found["status"] == "active" and any(
            network["type"] == "public" for network in v4
        )

    return until(lambda: droplet(identifier), is_ready)


def gone(identifier):
    return until(
        lambda: CLIENT.droplets.get(identifier), lambda found: found.get("id") == "not_found"
    )


def act(identifier, **body):
    started = call(CLIENT.droplet_actions.post, identifier, body, status=201)
    action = started["action"]["id"]
    ended = until(
        lambda: call(CLIENT.actions.get, action)["action"],
        lambda found: found["status"] != "in-progress",
    )
    equal(ended["status"], "completed")
    return call(CLIENT.droplet_actions.get, identifier, action)


def account_and_catalogue():
    account = call(CLIENT.account.get)["account"]
    equal(account["status"], "active")
    sizes = pages(CLIENT.sizes.list, "sizes", per_page=4)
    assert any("gpu_info" in size for size in sizes)
    images = pages(CLIENT.images.list, "images")
    equal(call(CLIENT.images.get, images[0]["slug"])["image"], images[0])
    regions = pages(CLIENT.regions.list, "regions")
    assert "nyc3" in [region["slug"] for region in regions]


def keys():
    laptop = pages(CLIENT.ssh_keys.list, "ssh_keys")[0]
    equal(call(CLIENT.ssh_keys.get, laptop["fingerprint"])["ssh_key"], laptop)
    name = b"ssh-ed25519"
    blob = len(name).to_bytes(4, "big") + name + (32).to_bytes(4, "big") + bytes(32)
    public = f"ssh-ed25519 {base64.b64encode(blob).decode()} second"
    wanted = {"name": "second", "public_key": public}
    second = call(CLIENT.ssh_keys.create, wanted, status=201)["ssh_key"]
    refused(422, "already in use", CLIENT.ssh_keys.create, wanted)
    renamed = call(CLIENT.ssh_keys.update, second["id"], {"name": "third"})
    equal(renamed["ssh_key"]["name"], "third")
    CLIENT.ssh_keys.delete(second["id"])
    refused(404, "could not be found", CLIENT.ssh_keys.get, second["id"])
    return laptop


def networks():
    vpcs = pages(CLIENT.vpcs.list, "vpcs")
    assert all(vpc["default"] for vpc in vpcs)
    wanted = {"name": "fleet", "region": "nyc3", "ip_range": "10.200.0.0/24"}
    vpc = call(CLIENT.vpcs.create, wanted, status=201)["vpc"]
    equal(call(CLIENT.vpcs.get, vpc["id"])["vpc"], vpc)
    return vpc


def create(laptop, vpc):
    """One droplet, then three in one request."""
    body = order(
        name="web-1",
        tags=["fleet"],
        ssh_keys=[laptop["fingerprint"]],
        vpc_uuid=vpc["id"],
        monitoring=True,
        ipv6=True,
        backups=True,
    )
    answer = CLIENT.droplets.create(body)
    equal(set(answer), {"droplet", "links"})
    link = answer["links"]["actions"][0]
    equal((link["rel"], set(link)), ("create", {"id", "rel", "href"}))
    equal(call(CLIENT.actions.get, link["id"])["action"]["type"], "create")
    first = active(answer["droplet"]["id"])
    for feature in ("monitoring", "ipv6", "backups", "private_networking"):
        assert feature in first["features"], first["features"]
    private = [net for net in first["networks"]["v4"] if net["type"] == "private"]
    assert private[0]["ip_address"].startswith("10.200.0."), private
    call(CLIENT.droplets.get_backup_policy, first["id"])
    members = call(CLIENT.vpcs.list_members, vpc["id"])["members"]
    equal([member["urn"] for member in members], [f"do:droplet:{first['id']}"])

    names = ["web-2", "web-3", "web-4"]
    answer = CLIENT.droplets.create(order(names=names, tags=["fleet"]))
    equal([found["name"] for found in answer["droplets"]], names)
    equal(len(answer["links"]["actions"]), 3)
    ids = [first["id"]] + [active(found["id"])["id"] for found in answer["droplets"]]

    listed = until(
        lambda: pages(CLIENT.droplets.list, "droplets", per_page=3),
        lambda found: len(found) == 4,
    )
    equal([found["id"] for found in listed], ids)
    tagged = pages(CLIENT.droplets.list, "droplets", tag_name="fleet", per_page=2)
    equal([found["id"] for found in tagged], ids)
    named = pages(CLIENT.droplets.list, "droplets", name="WEB-1")
    equal([found["id"] for found in named], ids[:1])
    return ids


def mistakes():
    refused(404, "could not be found", CLIENT.droplets.get, 1)
    refused(404, "could not be found", CLIENT.droplets.destroy, 1)
    cases = [
        ({"name": "a_b"}, "Only valid hostname characters are allowed."),
        ({"name": "a", "image": "minix"}, "invalid image"),
        ({"name": "a", "size": "so-2vcpu-16gb"}, "Size is not available in this region."),
        ({"name": "a", "ssh_keys": ["aa:bb"]}, "aa:bb are invalid key identifiers"),
        ({"names": ["a"] * 11}, "10"),
    ]
    for fields, message in cases:
        refused(422, message, CLIENT.droplets.create, order(**fields))


def actions(identifier):
    resize = {"type": "resize", "size": "s-2vcpu-4gb", "disk": True}
    refused(422, "powered off", CLIENT.droplet_actions.post, identifier, resize)
    act(identifier, type="power_off")
    equal(droplet(identifier)["status"], "off")
    refused(
        422,
        "Droplet is already powered off",
        CLIENT.droplet_actions.post,
        identifier,
        {"type": "power_off"},
    )
    act(identifier, **resize)
    resized = droplet(identifier)
    figures = (resized["size_slug"], resized["memory"], resized["vcpus"], resized["disk"])
    equal(figures, ("s-2vcpu-4gb", 4096, 2, 80))
    smaller = {"type": "resize", "size": "s-1vcpu-1gb", "disk": False}
    refused(422, "can not decrease", CLIENT.droplet_actions.post, identifier, smaller)
    act(identifier, type="rename", name="db-1")
    act(identifier, type="power_on")
    renamed = droplet(identifier)
    equal((renamed["name"], renamed["status"]), ("db-1", "active"))
    done = call(CLIENT.droplet_actions.list, identifier)["actions"]
    kinds = ["power_on", "rename", "resize", "power_off", "create"]
    equal([action["type"] for action in done], kinds)


def tags(ids):
    call(CLIENT.tags.create, {"name": "extra"}, status=201)
    resources = [
        {"resource_id": str(identifier), "resource_type": "droplet"} for identifier in ids
    ]
    CLIENT.tags.assign_resources("extra", {"resources": resources})
    tag = call(CLIENT.tags.get, "extra")["tag"]
    equal(tag["resources"]["droplets"]["count"], len(ids))
    equal(set(droplet(ids[0])["tags"]), {"fleet", "extra"})
    CLIENT.tags.unassign_resources("extra", {"resources": resources[:1]})
    equal(droplet(ids[0])["tags"], ["fleet"])
    started = CLIENT.droplet_actions.post_by_tag({"type": "power_cycle"}, tag_name="extra")
    equal(len(started["actions"]), len(ids) - 1)
    for action in started["actions"]:
        until(
            lambda: call(CLIENT.actions.get, action["id"])["action"]["status"],
            lambda status: status == "completed",
        )
    CLIENT.tags.delete("extra")
    equal([tag["name"] for tag in pages(CLIENT.tags.list, "tags")], ["fleet"])
    nobody = {"resources": resources}
    refused(404, "could not be found", CLIENT.tags.assign_resources, "nobody", nobody)


def projects(ids):
    default = call(CLIENT.projects.get_default)["project"]
    held = call(CLIENT.projects.list_resources, default["id"])["resources"]
    equal(len(held), len(ids))
    wanted = {"name": "fleet", "purpose": "Web Application", "environment": "Staging"}
    project = call(CLIENT.projects.create, wanted, status=201)["project"]
    urns = [f"do:droplet:{identifier}" for identifier in [*ids, 1]]
    method = CLIENT.projects.assign_resources
    for expected in ("assigned", "already_assigned"):
        answer = call(method, project["id"], {"resources": urns})
        statuses = [resource["status"] for resource in answer["resources"]]
        equal(statuses, [expected] * len(ids) + ["not_found"])
    equal(len(pages(CLIENT.projects.list, "projects")), 2)


def firewalls():
    wanted = {
        "name": "fleet",
        "tags": ["fleet"],
        "inbound_rules": [
            {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
        ],
        "outbound_rules": [
            {"protocol": "tcp", "ports": "0", "destinations": {"addresses": ["0.0.0.0/0"]}}
        ],
    }
    created = call(CLIENT.firewalls.create, wanted, status=202)["firewall"]
    refused(409, "duplicate name", CLIENT.firewalls.create, wanted)
    equal(call(CLIENT.firewalls.get, created["id"])["firewall"]["name"], "fleet")
    pages(CLIENT.firewalls.list, "firewalls")
    CLIENT.firewalls.delete(created["id"])
    refused(404, "could not be found", CLIENT.firewalls.get, created["id"])


def leftovers(identifier):
    path = f"droplets/{identifier}"
    control("POST", f"{path}/volumes", {"name": "data", "size_gigabytes": 10})
    control("POST", f"{path}/snapshots", {"name": "before"})
    control("POST", f"{path}/reserved_ip", {})
    found = call(CLIENT.droplets.list_associated_resources, identifier)
    for kind in ("volumes", "snapshots", "reserved_ips"):
        equal(len(found[kind]), 1)
    shown = droplet(identifier)
    equal((len(shown["volume_ids"]), len(shown["snapshot_ids"])), (1, 1))
    for method, key in (
        (CLIENT.volumes.list, "volumes"),
        (CLIENT.snapshots.list, "snapshots"),
        (CLIENT.reserved_ips.list, "reserved_ips"),
    ):
        equal(len(pages(method, key)), 1)


def delete(ids, vpc):
    equal(CLIENT.droplets.destroy(ids[0]), None)
    gone(ids[0])
    CLIENT.vpcs.delete(vpc["id"])
    equal(CLIENT.droplets.destroy_by_tag(tag_name="fleet"), None)
    for identifier in ids[1:]:
        gone(identifier)
    equal(pages(CLIENT.droplets.list, "droplets"), [])
    refused(404, "could not be found", CLIENT.droplets.destroy_by_tag, tag_name="nobody")


def limits():
    """The refusals that pydo makes exceptions of."""
    stranger = client("dop_v1_wrong")
    try:
        stranger.account.get()
        raise AssertionError("a wrong token was taken")
    except ClientAuthenticationError as error:
        equal(error.status_code, 401)
        assert "Unable to authenticate you" in error.response.text()
    control("PATCH", "knobs", {"burst_limit": 0})
    try:
        CLIENT.account.get()
        raise AssertionError("a burst was let through")
    except HttpResponseError as error:
        equal(error.status_code, 429)
        assert "API Rate limit exceeded" in error.response.text()
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        assert int(headers["retry-after"]) > 0, headers
        equal(headers["ratelimit-remaining"], "0")
    control("PATCH", "knobs", {"burst_limit": None})


def main():
    account_and_catalogue()
    laptop = keys()
    vpc = networks()
    ids = create(laptop, vpc)
    mistakes()
    actions(ids[1])
    tags(ids)
    projects(ids)
    firewalls()
    leftovers(ids[0])
    delete(ids, vpc)
    limits()


main()
