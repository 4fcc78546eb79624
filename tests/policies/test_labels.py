"""What policies are called: `LABEL=POLICY`, and paths that have an = of their own."""

import pytest

from genedge.errors import InputError
from genedge.policies.labels import labelled, parted


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ("rcars", ("rcars", "rcars")),
        ("mine=FILE.py:f", ("mine", "FILE.py:f")),
        (" my own = FILE.py:f ", ("my own", "FILE.py:f")),
        ("a=b=c.py:f", ("a", "b=c.py:f")),
        ("a=./rate=0.1", ("a", "./rate=0.1")),
        ("rcars=rcars", ("rcars", "rcars")),
        *((path, (path, path)) for path in ("./rate=0.1", "runs/rate=0.1", "sb3:a=b.zip", "C:\\a=b", "f.py:a=b")),
    ],
)
def test_the_first_equals_sign_ends_a_label_unless_it_is_of_a_path(item, found):
    assert parted(item.strip(), "--policies") == found


def test_labels_of_a_list_in_its_order():
    found = labelled("b=x.py:f, rcars,,b=x.py:f ,rcars", "--policies")
    assert list(found.items()) == [("b", "x.py:f"), ("rcars", "rcars")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=x.py:f,a=x.py:g", "--policies a=x.py:g: the label 'a' is used twice; give each policy its own"),
        ("a=rcars,x.py:f,a=hcras", "--policies a=hcras: the label 'a' is used twice; give each policy its own"),
        ("=rcars", "--policies =rcars: write LABEL=POLICY; a path that has an = begins with ./"),
        ("a=", "--policies a=: write LABEL=POLICY; a path that has an = begins with ./"),
        ("rcars=x.py:f", "--policies rcars=x.py:f: 'rcars' is another policy's name; choose another label"),
        ("lru=x.py:f", "--policies lru=x.py:f: 'lru' is another policy's name; choose another label"),
        (" , ", "--policies is empty; give names of policies, such as rcars,knapsack"),
    ],
)
def test_a_label_names_one_policy(text, message):
    with pytest.raises(InputError) as refused:
        labelled(text, "--policies")
    assert str(refused.value) == message
