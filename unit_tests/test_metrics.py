from hypothesis import given
from hypothesis import strategies as st

from source_iterable.streams.metrics import LONGEST_ADDRESS, MOST_IDS, batches


@given(st.lists(st.integers(1, 10**18), unique=True, max_size=300), st.integers(50, 1900))
def test_batches_hold_all_ids_once_and_fit_into_an_address(ids: list[int], length: int) -> None:
    cut = list(batches(ids, length))

    assert [one for batch in cut for one in batch] == ids
    for batch in cut:
        assert 1 <= len(batch) <= MOST_IDS
        assert len(batch) == 1 or length + sum(len(f"&campaignId={one}") for one in batch) <= LONGEST_ADDRESS
