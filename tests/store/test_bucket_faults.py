"""A network that fails between a store and its bucket: tried again, never half believed, never quoted."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.store import Store

pytest.importorskip("obstore", reason='a bucket needs the extra "bucket"')

sys.path.insert(0, str(Path(__file__).parent))

from faulty_bucket import ERROR, FaultyNetwork

from portfolio_lab.store.bucket import BucketFiles, Patience

HASTY = Patience(request=timedelta(seconds=1), call=timedelta(seconds=4), pause=timedelta(milliseconds=10))
SECRETS = ("AKIAPLANTED", "planted-secret", "planted-signature")
Check = Callable[[Store, Iterable[str]], set[str]]


@pytest.fixture
def network(url: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyNetwork]:
    with FaultyNetwork(s3) as network:
        monkeypatch.setenv("AWS_ENDPOINT_URL", network.url)
        yield network


@pytest.fixture
def far(network: FaultyNetwork, url: str) -> BucketFiles:
    """Files behind a network that fails, waited for briefly."""
    return BucketFiles(url, patience=HASTY)


def committed(store: Store, rows: ModuleType, *numbers: int) -> list[str]:
    names = [f"user-{number}" for number in numbers]
    for number, name in zip(numbers, names, strict=True):
        store.commit(rows.cycle(rows.slot_of(number), name), slot=rows.slot_of(number), writer="w", sync_id=name)
    return names


@pytest.mark.parametrize("fault", ["500", "503", "429", "lost 500", "lost", "deaf", "409"])
def test_a_passing_fault_is_waited_out(network: FaultyNetwork, far: BucketFiles, fault: str) -> None:
    network.first(1 if fault in {"lost", "deaf"} else 2, fault, "PUT", "a-1.json")
    assert far.put_if_absent("log/day/a-1.json", b"ours")  # the answer may be lost: it is known by its content
    assert sum(bool(fault) for *_, fault in network.seen) in {1, 2}
    assert not far.put_if_absent("log/day/a-1.json", b"ours")  # this time nothing was in doubt
    assert not far.put_if_absent("log/day/a-1.json", b"others'")
    assert far.read("log/day/a-1.json") == b"ours"


@pytest.mark.parametrize("fault", ["503", "deaf"])
def test_who_took_the_name_while_we_were_in_doubt_keeps_it(
    network: FaultyNetwork, far: BucketFiles, url: str, s3: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    near = BucketFiles(url)

    def judge(method: str, path: str) -> str | None:
        if method == "PUT" and not near.exists("log/day/a-1.json"):
            assert near.put_if_absent("log/day/a-1.json", b"others'")
            return fault
        return None

    network.judge = judge
    assert not far.put_if_absent("log/day/a-1.json", b"ours")
    assert far.read("log/day/a-1.json") == b"others'"


@pytest.mark.parametrize("fault", ["503", "cut"])
def test_a_question_is_asked_again_and_never_half_answered(
    network: FaultyNetwork, far: BucketFiles, fault: str
) -> None:
    content = bytes(range(256)) * 400
    far.put("hot/x.parquet", content)
    network.first(2, fault, "GET")
    try:
        assert far.read("hot/x.parquet") == content
    except OSError as error:
        assert error.errno == errno.EREMOTEIO  # noqa: PT017 - whole or not at all
        assert far.read("hot/x.parquet") == content
    assert far.names("hot") == ["x.parquet"]
    network.first(2, "503", "HEAD")
    assert far.exists("hot/x.parquet")
    network.first(2, "503", "PUT")
    far.put("hot/y.parquet", content)
    assert list(far.walk("")) == ["hot/x.parquet", "hot/y.parquet"]


@pytest.mark.parametrize("fault", ["503", "lost 500"])
def test_a_bucket_that_stays_broken_refuses_the_commit_and_loses_nothing(
    network: FaultyNetwork, url: str, rows: ModuleType, check_whole: Check, fault: str
) -> None:
    brief = Patience(request=timedelta(seconds=1), call=timedelta(seconds=0.3), pause=timedelta(milliseconds=10))
    store = Store.create(url)
    committed(store, rows, 0)
    network.judge = lambda method, path: fault if method in {"PUT", "GET"} and "log" in path else None
    broken = Store(url, files=BucketFiles(url, patience=brief))
    with pytest.raises(StoreError, match=r"could not commit: the bucket answered 50.*Nothing was acknowledged"):
        committed(broken, rows, 1)
    network.judge = lambda method, path: None
    seen = check_whole(Store.open(url), ["user-0"])
    assert ("user-1" in seen) == (fault == "lost 500")
    committed(store, rows, 1)
    assert check_whole(Store.open(url), ["user-0", "user-1"]) == {"user-0", "user-1"}


def test_every_request_of_a_cycle_fails_in_turn(
    network: FaultyNetwork, url: str, rows: ModuleType, check_whole: Check
) -> None:
    brief = Patience(request=timedelta(seconds=1), call=timedelta(seconds=0.2), pause=timedelta(milliseconds=5))
    failures, fails_at, asked = 0, 0, [0]
    while asked[0] >= fails_at:
        fails_at, asked[0] = fails_at + 1, 0
        place = f"{url}/{fails_at}"
        Store.create(place)
        store = Store(place, files=BucketFiles(place, patience=brief))

        def judge(method: str, path: str, fails_at: int = fails_at) -> str | None:
            asked[0] += 1
            return ("403", "lost 500", "503")[fails_at % 3] if asked[0] == fails_at else None

        network.judge = judge
        try:
            committed(store, rows, 0)
        except StoreError:
            failures += 1
        network.judge = lambda method, path: None
        committed(store, rows, 0)
        assert check_whole(Store.open(place), ["user-0"]) == {"user-0"}
    assert fails_at > 5
    assert failures > 1


@pytest.mark.parametrize("status", ["401", "403", "400"])
def test_no_word_of_the_bucket_is_passed_on(network: FaultyNetwork, far: BucketFiles, status: str, url: str) -> None:
    assert b"planted-signature" in ERROR
    network.judge = lambda method, path: status
    calls: list[Callable[[], Any]] = [
        lambda: far.put("a", b""),
        lambda: far.put_if_absent("a", b""),
        lambda: far.read("a"),
        lambda: far.names("a"),
        lambda: list(far.walk("a")),
        lambda: Store.open(url),
        lambda: Store.create(url),
    ]
    for call in calls:
        with pytest.raises((OSError, StoreError)) as caught:
            call()
        told = repr(caught.value) + str(caught.value) + repr(caught.value.__cause__) + repr(far) + repr(vars(far))
        assert not [secret for secret in SECRETS if secret in told]
        assert len([one for one in network.seen if one[0] == "PUT"]) <= 3  # no second try of what will not pass


def test_a_bucket_that_is_not_there_is_named(url: str) -> None:
    for call in (Store.open, Store.create):
        with pytest.raises(StoreError, match=r"s3://no-such-bucket/lab: there is no such bucket"):
            call("s3://no-such-bucket/lab")


def test_an_endpoint_that_is_not_there_is_given_up_soon(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    files = BucketFiles(url, patience=Patience(timedelta(seconds=1), timedelta(seconds=0.2), timedelta(seconds=0.01)))
    for call in (lambda: files.put_if_absent("a", b""), lambda: files.read("a"), lambda: files.names("")):
        with pytest.raises(ConnectionError, match="no connection"):
            call()
