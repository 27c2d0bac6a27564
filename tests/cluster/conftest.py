"""One Ray cluster for all tests of this folder that need one, without nodes at first."""

from collections.abc import Iterator

import pytest

from benchmarks.ray_cluster import RayCluster


@pytest.fixture(scope="session")
def head() -> Iterator[RayCluster]:
    """A head alone: starting one takes seconds."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with RayCluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(head: RayCluster) -> Iterator[RayCluster]:
    """The cluster for one test; its nodes are ended after it."""
    yield head
    for address in head.nodes:
        head.end_node(address)
