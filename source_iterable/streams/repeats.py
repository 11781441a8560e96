"""How many keys a stream emits more than once, counted in little memory."""

from __future__ import annotations

from array import array

MAX_KEYS = 40_000_000
"""Keys that are remembered. At some five bytes each, this bounds the memory that the count takes."""
_BUCKET_BITS = 16
_REST = 0xFFFF_FFFF


class KeySet:
    """Keys, as 48 bits of their hashes: 20 million take some 100 MB, and one in ten million is mistaken for another.

    Sixteen bits of a hash choose a bucket, and the other 32 stand in it.
    """

    def __init__(self) -> None:
        """Make an empty set."""
        self._buckets: dict[int, array[int]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many keys were added."""
        return self._count

    def add(self, key: object) -> None:
        """Add ``key``, which is not there yet."""
        self._count += 1
        bucket, rest = _hashed(key)
        try:
            self._buckets[bucket].append(rest)
        except KeyError:
            self._buckets[bucket] = array("I", (rest,))

    def __contains__(self, key: object) -> bool:
        """Whether ``key`` was added; of 20 million keys some three hundred are looked at, which takes microseconds."""
        bucket, rest = _hashed(key)
        return rest in self._buckets.get(bucket, ())

    def __sizeof__(self) -> int:
        """The memory that the keys take, in bytes."""
        return self._buckets.__sizeof__() + sum(bucket.__sizeof__() for bucket in self._buckets.values())


class Repeats:
    """The keys that a stream emits more than once.

    Attributes:
        keys: Those that came before, each once.
        is_complete: Whether these are all of them: no earlier try emitted keys too, and no key exceeded the limit.
    """

    def __init__(self, *, is_complete: bool = True, max_keys: int = MAX_KEYS) -> None:
        """Begin with none; ``max_keys`` keys are remembered."""
        self.keys = KeySet()
        self.is_complete = is_complete
        self._emitted = KeySet()
        self._max_keys = max_keys

    def emitted(self, key: object, *, may_repeat: bool) -> None:
        """Count a record that bears ``key``; only one that ``may_repeat`` is compared with those before."""
        if may_repeat and key in self._emitted:
            if key not in self.keys:
                self.keys.add(key)
        elif len(self._emitted) < self._max_keys:
            self._emitted.add(key)
        else:
            self.is_complete = False


def _hashed(key: object) -> tuple[int, int]:
    whole = hash(key if isinstance(key, str) else str(key))
    return whole & ((1 << _BUCKET_BITS) - 1), whole >> _BUCKET_BITS & _REST
