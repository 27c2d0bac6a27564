"""What the second-stage trainer does to its pairs: their order, their reference, their masks."""

import math

import pytest
import torch

from marco_dag.training import RecipeConfig
from marco_dag.training.batches import PairCollator, pair_dataset
from marco_dag.training.examples import PairExample


def recipe(**fields):
    return RecipeConfig(**{"description": "a test", "batch_size": 8, "learning_rate": 1e-3, "max_tokens": 128} | fields)


def whole_batch(trainer):
    return trainer.data_collator([trainer.train_dataset[index] for index in range(len(trainer.train_dataset))])


def loss_of(trainer):
    return trainer.compute_loss(trainer.model, whole_batch(trainer))


def test_recipes_take_the_same_pairs_in_the_same_order(new_preference_trainer, pairs):
    full = new_preference_trainer(pairs, recipe(label_smoothing=0.2, sft_weight=1.0, prefix_masking="dpo"))
    control = new_preference_trainer(pairs, recipe(preference_weight=0.0, sft_weight=1.0))

    batches = list(zip(full.get_train_dataloader(), control.get_train_dataloader(), strict=True))
    assert len(batches) == 5
    for with_rejected, chosen_only in batches:
        chosen, _ = with_rejected["input_ids"].chunk(2)
        width = chosen_only["input_ids"].shape[1]
        assert torch.equal(chosen[:, :width], chosen_only["input_ids"])
        assert (chosen[:, width:] == 0).all()


def test_the_control_needs_no_reference(new_preference_trainer, pairs):
    control = new_preference_trainer(pairs, recipe(preference_weight=0.0, sft_weight=1.0))
    assert set(control.train_dataset.column_names) == {"prompt_ids", "chosen_ids", "rejected_ids"}


def test_reference_log_probs_are_those_of_each_sequence_alone(new_preference_trainer, new_model, pairs):
    """Batches are padded and sorted by length; the sums must not notice."""
    model = new_model()
    trainer = new_preference_trainer(pairs, recipe(batch_size=16), model)
    for row in trainer.train_dataset.select([0, 17, 39]):
        for side in ("chosen", "rejected"):
            ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
            with torch.no_grad():
                log_probs = model(input_ids=ids).logits[0, :-1].log_softmax(dim=-1)
            tokens = log_probs.gather(-1, ids[0, 1:, None]).squeeze(-1)
            expected = tokens[len(row["prompt_ids"]) - 1 :].sum().item()
            assert row[f"ref_{side}_logps"] == pytest.approx(expected, abs=1e-4)


def test_the_models_own_dropout_is_off_in_policy_and_reference(new_preference_trainer, new_model, pairs):
    trainer = new_preference_trainer(pairs, recipe(batch_size=40), new_model(dropout=0.5))
    trainer.model.train()
    assert loss_of(trainer).item() == pytest.approx(math.log(2), abs=1e-6)


def test_what_the_collator_counts():
    example = PairExample(prompt=[3, 9, 4], chosen=[20, 21, 1], rejected=[20, 30, 31, 1])
    (row,) = pair_dataset([example])
    masked = PairCollator(0, mask_prefix=True, chosen_only=False)([row])
    assert masked["input_ids"].tolist() == [[3, 9, 4, 20, 21, 1, 0], [3, 9, 4, 20, 30, 31, 1]]
    assert masked["completion_mask"].tolist() == [[0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]]
    assert masked["preference_mask"].tolist() == [[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1]]

    plain = PairCollator(0, mask_prefix=False, chosen_only=False)([row])
    assert torch.equal(plain["preference_mask"], plain["completion_mask"])

    alone = PairCollator(0, mask_prefix=False, chosen_only=True)([row])
    assert {name: rows.tolist() for name, rows in alone.items()} == {
        "input_ids": [[3, 9, 4, 20, 21, 1]],
        "attention_mask": [[1] * 6],
        "completion_mask": [[0, 0, 0, 1, 1, 1]],
        "preference_mask": [[0, 0, 0, 1, 1, 1]],
    }
    tail = PairCollator(0, mask_prefix=True, chosen_only=True)([row])
    assert tail["preference_mask"].tolist() == [[0, 0, 0, 0, 1, 1]]
