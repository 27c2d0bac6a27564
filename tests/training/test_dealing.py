"""What a rank is dealt: a step's examples are the same however they are split."""

from itertools import chain, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from marco_dag.training import LoraConfig, ParallelConfig, SftConfig
from marco_dag.training.dealing import DealtBatches
from marco_dag.training.order import LengthGroupedOrder


def steps(examples: int, batch_size: int, *, accumulation: int, ranks: int) -> list[list[int]]:
    """The examples of each optimizer step of an epoch, over all ranks and micro-batches."""
    order = LengthGroupedOrder([7] * examples, batch_size, seed=3)
    dealt = [
        list(DealtBatches(order, batch_size // accumulation // ranks, rank=rank, ranks=ranks)) for rank in range(ranks)
    ]
    rounds = [chain(*batches) for batches in zip(*dealt, strict=True)]
    taken = iter(rounds)
    return [sorted(chain(*step)) for step in iter(lambda: list(islice(taken, accumulation)), [])]


@given(
    examples=st.integers(0, 70),
    micro_batch=st.integers(1, 4),
    accumulation=st.sampled_from([1, 2, 4]),
    ranks=st.sampled_from([1, 2, 3, 4]),
)
def test_a_step_has_the_same_examples_whatever_the_split(examples, micro_batch, accumulation, ranks):
    batch_size = micro_batch * accumulation * ranks
    whole = steps(examples, batch_size, accumulation=1, ranks=1)
    assert steps(examples, batch_size, accumulation=accumulation, ranks=ranks) == whole
    assert sorted(chain(*whole)) == list(range(examples))


@given(examples=st.integers(0, 70), micro_batch=st.integers(1, 5), ranks=st.integers(1, 5))
def test_every_rank_takes_part_in_every_round_with_its_even_share(examples, micro_batch, ranks):
    order = LengthGroupedOrder([7] * examples, micro_batch * ranks, seed=0)
    dealt = [DealtBatches(order, micro_batch, rank=rank, ranks=ranks) for rank in range(ranks)]
    assert {len(list(batches)) for batches in dealt} == {len(dealt[0])}
    for batches in zip(*dealt, strict=True):
        sizes = [len(batch) for batch in batches]
        assert max(sizes) <= micro_batch
        assert max(sizes) - min(sizes) <= 1


def test_a_batch_that_the_processes_cannot_share_names_the_fields():
    with pytest.raises(ValidationError, match=r"accumulation: 2 times 3 processes \(parallel\) does not divide .* 8"):
        SftConfig(batch_size=8, gradient_accumulation=2, parallel=ParallelConfig(processes=3))
    config = SftConfig(batch_size=8, parallel=ParallelConfig(processes="auto"))
    assert config.micro_batch(4) == 2
    with pytest.raises(ValueError, match="3 processes"):
        config.micro_batch(3)


def test_nodes_need_a_place_to_meet_and_one_node_does_not():
    with pytest.raises(ValidationError, match="endpoint: several nodes meet at host:port"):
        ParallelConfig(nodes=2)
    with pytest.raises(ValidationError, match="one node needs none"):
        ParallelConfig(endpoint="first:29400")
    assert ParallelConfig(nodes=2, endpoint="first:29400").nodes == 2


def test_weights_of_4_bits_are_not_sharded():
    with pytest.raises(ValidationError, match=r"lora\.quantize: .* set parallel\.sharding to none"):
        SftConfig(lora=LoraConfig(quantize="nf4"), parallel=ParallelConfig(processes=2, sharding="fsdp"))


def test_how_a_step_is_computed_does_not_decide_the_weights():
    """A finished training is found again, and a killed one goes on, on other machines."""
    one = SftConfig(batch_size=8, gradient_accumulation=8, checkpoint_every=5)
    many = SftConfig(batch_size=8, activation_checkpointing=True, parallel=ParallelConfig(processes=4, sharding="fsdp"))
    assert one.deciding() == many.deciding()
    for field, value in (("learning_rate", 1.0), ("batch_size", 16), ("bf16", True), ("lora", LoraConfig())):
        assert one.model_copy(update={field: value}).deciding() != one.deciding()
