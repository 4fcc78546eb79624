"""The most hits that anybody could have, exactly, for few models of any size: dynamic programming over sets."""

from collections.abc import Sequence
from functools import cache


def most_hits_of_sets(asked: Sequence[int], memory_mb: Sequence[int], room_mb: int, must_load: bool) -> int:
    """The most requests whose model is in memory when they come, loads taking no time.

    What is held after a request is a set of models. A set is as good as any that it contains, so only those are
    followed to which nothing more of what was there could be added. There are at most as many as subsets of the
    models, so a dozen models are many.

    Args:
        asked: models one after the other, by number.
        memory_mb: of each model, whole megabytes.
        room_mb: for models.
        must_load: whether every miss loads its model, as where there is no cloud; a model that can never fit is not
            loaded. Otherwise it may be left out.

    Returns:
        How many.
    """

    @cache
    def size(held: int) -> int:
        return sum(mb for m, mb in enumerate(memory_mb) if held >> m & 1)

    @cache
    def after_load(held: int, model: int) -> tuple[int, ...]:
        """The largest sets of what is held and the model, with the model, for which there is room."""
        whole = held | 1 << model
        if size(whole) <= room_mb:
            return (whole,)
        smaller = {
            s
            for m in range(len(memory_mb))
            if m != model and held >> m & 1
            for s in after_load(held & ~(1 << m), model)
        }
        return tuple(s for s in smaller if not any(s != other and s & other == s for other in smaller))

    best = {0: 0}
    for model in asked:
        following: dict[int, int] = {}
        for held, hits in best.items():
            if held >> model & 1:
                following[held] = max(following.get(held, 0), hits + 1)
                continue
            sets = after_load(held, model) if memory_mb[model] <= room_mb else ()
            if not sets or not must_load:
                sets = (*sets, held)
            for each in sets:
                following[each] = max(following.get(each, 0), hits)
        best = following
    return max(best.values())
