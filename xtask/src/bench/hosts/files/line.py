"""A wire with a length, for kernels without netem.

Two TAP devices; a frame that goes into one comes out of the other after a delay. One end stays
here, on the hosts' bridge, the other moves into the controller's network namespace. A control
socket sets the delay and reads what has passed.

Usage: line.py SOCKET NEAR FAR BRIDGE PID
"""

import collections
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
SYN, ACK = 0x02, 0x10
# Enough for the first packet of either side of SSH.
KEPT = 8192


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def name_list(stream):
    """The key exchanges that one side offers, from the first bytes it sent."""
    at = stream.find(b"\n") + 1
    if at == 0 or len(stream) < at + 26 or stream[at + 5] != 20:
        return None
    at += 22
    (length,) = struct.unpack(">I", stream[at : at + 4])
    names = stream[at + 4 : at + 4 + length]
    return names.decode("ascii", "replace").split(",") if len(names) == length else None


class Stream:
    """The first bytes that one side of a connection sends, in their order."""

    def __init__(self):
        self.segments = {}
        self.first = None

    def see(self, sequence, is_syn, data):
        if is_syn:
            self.first = (sequence + 1) % 2**32
        elif data and self.first is not None:
            at = (sequence - self.first) % 2**32
            # Lost data is sent again, perhaps in other segments.
            if at < KEPT and len(self.segments.get(at, b"")) < len(data):
                self.segments[at] = data

    def start(self):
        """As far as nothing is missing."""
        whole = b""
        for at, data in sorted(self.segments.items()):
            if at > len(whole):
                break
            whole += data[len(whole) - at :]
        return whole


class Counts:
    def __init__(self):
        # By their endpoints, since lost data is sent again.
        self.connections = {}
        self.frames = 0

    def see(self, frame, from_controller):
        self.frames += 1
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            return
        tcp = 14 + (frame[14] & 15) * 4
        source, target, sequence = struct.unpack(">HHI", frame[tcp : tcp + 8])
        flags = frame[tcp + 13]
        if from_controller:
            ends = (frame[30:34], source)
            if target == 22 and flags & (SYN | ACK) == SYN:
                self.connections.setdefault(ends, {True: Stream(), False: Stream()})
        else:
            ends = (frame[26:30], target)
        streams = self.connections.get(ends)
        if streams is not None:
            end = 14 + struct.unpack(">H", frame[16:18])[0]
            data = frame[tcp + (frame[tcp + 12] >> 4) * 4 : end]
            streams[from_controller].see(sequence, flags & SYN != 0, data)

    def kex(self):
        """What both sides agree on: the client's first choice that the server knows."""
        agreed = set()
        for streams in self.connections.values():
            client, server = (name_list(streams[side].start()) for side in (True, False))
            if client is not None and server is not None:
                agreed.add(next((name for name in client if name in server), "none"))
        return " and ".join(sorted(agreed)) or None

    def told(self):
        return {"connections": len(self.connections), "frames": self.frames, "kex": self.kex()}


def main():
    path, near, far, bridge, pid = sys.argv[1:]
    os.nice(-15)
    ends = [tap(near), tap(far)]
    subprocess.run(["ip", "link", "set", near, "master", bridge, "up"], check=True)
    subprocess.run(["ip", "link", "set", far, "netns", pid], check=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.setblocking(False)
    delay, counts = 0.0, Counts()
    # Frames for each end, with the moment at which they arrive there.
    queues = [collections.deque(), collections.deque()]
    while True:
        now = time.monotonic()
        wait = 1.0
        for end, queue in zip(ends, queues):
            while queue and queue[0][0] <= now:
                try:
                    os.write(end, queue[0][1])
                except OSError:
                    # An end that is down loses incoming frames, as a wire does.
                    pass
                queue.popleft()
            if queue:
                wait = min(wait, queue[0][0] - now)
        readable, _, _ = select.select([*ends, listener], [], [], wait)
        now = time.monotonic()
        for index, end in enumerate(ends):
            if end not in readable:
                continue
            for _ in range(64):
                try:
                    frame = os.read(end, 2048)
                except BlockingIOError:
                    break
                counts.see(frame, from_controller=index == 1)
                queues[1 - index].append((now + delay, frame))
        if listener in readable:
            client, _ = listener.accept()
            with client:
                words = client.recv(100).split()
                if words[0] == b"delay":
                    delay = float(words[1])
                    counts = Counts()
                client.sendall(json.dumps(counts.told()).encode())


main()
