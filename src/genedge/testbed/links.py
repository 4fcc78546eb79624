"""Links between users, base station and cloud: shaped by the kernel where that can be had, else by the senders.

Where the kernel shapes, each process has a network of its own, and between two of them lies a cable that nothing
else is at: one from each user to the base station, and one for each user's requests from there to the cloud, as
nobody shares the backhaul in Eq. (4) and (6). A token bucket at each end lets through what the rate there allows.
The networks have no names: they are gone with the processes in them, and leave nothing to be cleaned away. Nothing
of it reaches this machine's own network.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from genedge.errors import InputError
from genedge.registry import listed
from genedge.testbed.tasks import Request

How = Literal["namespaces", "paced"]
TOOLS = ("ip", "tc", "nsenter", "unshare")
LOOPBACK, ANYWHERE = "127.0.0.1", "0.0.0.0"

# Of a packet, large ones as they take less of the processor that also generates; and what of it are headers: of
# Ethernet, beyond the packet; of IP and TCP with its time stamps.
MTU, ETHERNET, HEADERS = 9000, 14, 52
# A bucket holds what may pass in this time at once [s], and no less than so many bytes; so many may wait for it.
BUCKET_S, LEAST_BUCKET, QUEUE = 0.0015, 16_384, 64 << 20
# Tries out all that is needed, in a network that nobody sees.
PROBE = (
    "ip link add genedge0 type veth peer name genedge1 && "
    f"tc qdisc add dev genedge0 root tbf rate 1mbit burst {LEAST_BUCKET} limit {QUEUE}"
)
MOST_USERS = 250


class Links(Protocol):
    """How the processes reach each other."""

    @property
    def how(self) -> How:
        """Who keeps to the rates: the kernel, or the senders."""

    @property
    def host(self) -> str:
        """The address to listen on."""

    def connect(self, station: int, cloud: int, users: Sequence[int]) -> None:
        """Lays the cables.

        Args:
            station: number of the base station's process.
            cloud: likewise.
            users: likewise.
        """

    def shape(self, requests: Sequence[Request]) -> None:
        """Sets all rates.

        Args:
            requests: of a slot.
        """

    def station(self, user: int) -> str:
        """Where a user reaches the base station.

        Args:
            user: who.
        """

    def cloud(self, user: int) -> str:
        """Where the base station reaches the cloud for a user.

        Args:
            user: whose request.
        """


class Paced:
    """Over the machine's loopback: who sends keeps to the rate."""

    how: How = "paced"
    host = LOOPBACK

    def connect(self, station: int, cloud: int, users: Sequence[int]) -> None:
        """Nothing to do."""

    def shape(self, requests: Sequence[Request]) -> None:
        """Nothing to do."""

    def station(self, user: int) -> str:
        """The same for all."""
        return LOOPBACK

    def cloud(self, user: int) -> str:
        """The same for all."""
        return LOOPBACK


class Namespaces:
    """Over cables between networks of the processes' own: the kernel keeps to the rate."""

    how: How = "namespaces"
    host = ANYWHERE

    def __init__(self) -> None:
        self._station, self._cloud = 0, 0
        self._users: list[int] = []

    def connect(self, station: int, cloud: int, users: Sequence[int]) -> None:
        """Lays a cable to each user, and one to the cloud for each."""
        self._station, self._cloud, self._users = station, cloud, list(users)
        for n, user in enumerate(users):
            _inside(station, "ip", [*_cable(f"user{n}", "station", user), *_addressed(f"user{n}", f"{_net(n)}.1")])
            _inside(user, "ip", _addressed("station", f"{_net(n)}.2"))
            _inside(
                station, "ip", [*_cable(f"cloud{n}", f"user{n}", cloud), *_addressed(f"cloud{n}", f"{_far(n)}.1")]
            )
            _inside(cloud, "ip", _addressed(f"user{n}", f"{_far(n)}.2"))

    def shape(self, requests: Sequence[Request]) -> None:
        """Sets a bucket at both ends of each cable."""
        station, cloud = [], []
        for request in requests:
            n = request.user
            _inside(self._users[n], "tc", [bucket("station", request.up_bps)])
            station += [bucket(f"user{n}", request.down_bps), bucket(f"cloud{n}", request.to_cloud_bps)]
            cloud.append(bucket(f"user{n}", request.from_cloud_bps))
        _inside(self._station, "tc", station)
        _inside(self._cloud, "tc", cloud)

    def station(self, user: int) -> str:
        """Its end of the user's cable."""
        return f"{_net(user)}.1"

    def cloud(self, user: int) -> str:
        """Its end of the cable for this user's requests."""
        return f"{_far(user)}.2"


class Found(NamedTuple):
    """The links that can be had.

    Attributes:
        links: they.
        why: they are not the kernel's; empty if they are, or others were asked for.
    """

    links: Links
    why: str = ""


def links_of(wanted: How | None) -> Found:
    """The links that are asked for, or the best that can be had.

    Args:
        wanted: which; None for the kernel's where it can be had, else paced ones.

    Raises:
        InputError: the kernel's are asked for, and cannot be had.
    """
    if wanted == "paced":
        return Found(Paced())
    lacking = _lacking()
    if lacking and wanted is not None:
        raise InputError(f"--links {wanted}: {lacking}; take --links paced, or leave it out")
    return Found(Paced(), lacking) if lacking else Found(Namespaces())


def _lacking() -> str:
    """What is not there that shaped links take; empty if all is."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces take root's rights"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} not installed (iproute2, util-linux)"
    tried = subprocess.run(["unshare", "--net", "sh", "-c", PROBE], capture_output=True, text=True)
    if tried.returncode != 0:
        said = tried.stderr.strip().splitlines() or ["no reason given"]
        return f"no shaped network can be had here: {said[-1]}"
    return ""


def bucket(device: str, bits_per_s: float) -> str:
    """The command that lets a device send at a rate, counting what programs send, not the headers around it.

    Args:
        device: one end of a cable.
        bits_per_s: the rate [bit/s].
    """
    on_cable = bits_per_s * (MTU + ETHERNET) / (MTU - HEADERS)
    held = max(LEAST_BUCKET, round(on_cable / 8 * BUCKET_S))
    return f"qdisc replace dev {device} root tbf rate {max(round(on_cable), 8)}bit burst {held} limit {QUEUE}"


def _cable(here: str, there: str, process: int) -> list[str]:
    return [f"link add {here} type veth peer name {there} netns {process}"]


def _addressed(device: str, address: str) -> list[str]:
    return [f"addr add {address}/30 dev {device}", f"link set {device} mtu {MTU} up"]


def _net(user: int) -> str:
    return f"10.77.{user}"


def _far(user: int) -> str:
    return f"10.78.{user}"


def _inside(process: int, tool: str, commands: Sequence[str]) -> None:
    """Runs a tool's commands in a process's network."""
    command = ["nsenter", f"--net=/proc/{process}/ns/net", tool, "-batch", "-"]
    done = subprocess.run(command, input="\n".join(commands) + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise InputError(f"{tool} refuses {commands[0]!r}: {said[0]}; take --links paced")
