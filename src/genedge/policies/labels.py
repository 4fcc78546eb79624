"""What a reader calls a policy in tables and figures: `LABEL=POLICY`."""

from genedge.errors import InputError
from genedge.registry import for_boxes, named
from genedge.text import in_brief


def labelled(text: str, option: str) -> dict[str, str]:
    """Policies of a list, by what to call them.

    The first = ends a label, unless a `/`, a backslash or a colon stands before it: then it belongs to a path, such
    as `runs/rate=0.1` or `./rate=0.1`. Without a label a policy is called by its name.

    Args:
        text: `POLICY` or `LABEL=POLICY` each, separated by commas.
        option: what gave them, for messages.

    Returns:
        Names of policies by label, in the order given; what stands there twice is there once.

    Raises:
        InputError: there is none; or a label is empty, names two policies, or is another policy's name.
    """
    found: dict[str, str] = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        label, policy = parted(item, option)
        if found.setdefault(label, policy) != policy:
            raise InputError(
                f"{option} {in_brief(item)}: the label {label!r} is used twice; give each policy its own"
            )
    if not found:
        raise InputError(f"{option} is empty; give names of policies, such as rcars,knapsack")
    return found


def parted(item: str, option: str) -> tuple[str, str]:
    """A label, and the policy that it stands for.

    Args:
        item: `POLICY` or `LABEL=POLICY`.
        option: what gave it, for messages.

    Raises:
        InputError: the label is empty or another policy's name, or there is no policy.
    """
    before, equals, after = item.partition("=")
    if not equals or any(c in before for c in "/\\:"):
        return item, item
    label, policy = before.strip(), after.strip()
    if not (label and policy):
        raise InputError(f"{option} {in_brief(item)}: write LABEL=POLICY; a path that has an = begins with ./")
    if label != policy and (label in named("policy") or label in for_boxes()):
        raise InputError(f"{option} {in_brief(item)}: {label!r} is another policy's name; choose another label")
    return label, policy
