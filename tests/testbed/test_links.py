"""Who keeps to the rates, and what is said where the kernel cannot."""

import subprocess

import pytest

from genedge.errors import InputError
from genedge.testbed import links


def test_a_bucket_lets_through_what_programs_send():
    # 8,948 of the 9,014 bytes of a full frame are theirs.
    words = links.bucket("user0", 894.8e6).split()
    assert words[words.index("dev") + 1] == "user0"
    assert words[words.index("rate") + 1] == "901400000bit"
    # One and a half milliseconds' worth at once.
    assert int(words[words.index("burst") + 1]) == round(901.4e6 / 8 * 0.0015)


def test_a_slow_link_has_a_bucket_for_a_few_packets():
    assert "burst 16384 " in links.bucket("user0", 1e6)


LACKING = {
    "no Linux": (lambda patch: patch.setattr(links.sys, "platform", "darwin"), "Linux"),
    "no root": (lambda patch: patch.setattr(links.os, "geteuid", lambda: 1000), "root"),
    "no tc": (
        lambda patch: (
            patch.setattr(links.os, "geteuid", lambda: 0),
            patch.setattr(links.shutil, "which", lambda tool: None if tool == "tc" else tool),
        ),
        "tc is not installed",
    ),
    "no right to": (
        lambda patch: (
            patch.setattr(links.os, "geteuid", lambda: 0),
            patch.setattr(links.shutil, "which", lambda tool: tool),
            patch.setattr(
                links.subprocess,
                "run",
                lambda command, **more: subprocess.CompletedProcess(command, 1, "", "unshare: not permitted\n"),
            ),
        ),
        "unshare: not permitted",
    ),
}


@pytest.mark.parametrize("lacking", LACKING)
def test_what_is_lacking_is_said(lacking, monkeypatch):
    lack, word = LACKING[lacking]
    lack(monkeypatch)
    found = links.links_of(None)
    assert found.links.how == "paced"
    assert word in found.why
    with pytest.raises(InputError, match=f"--links namespaces: .*{word}.*--links paced"):
        links.links_of("namespaces")


def test_paced_links_are_there_for_the_asking():
    found = links.links_of("paced")
    assert (found.links.how, found.why) == ("paced", "")
    assert found.links.host == found.links.station(3) == found.links.cloud(3) == "127.0.0.1"
