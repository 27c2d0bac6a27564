"""Our second-stage trainer beside TRL's own, and what it does to a batch."""

import math

import pytest
import torch

from marco_dag.training import RecipeConfig
from marco_dag.training.batches import PairCollator, pair_dataset
from marco_dag.training.examples import PairExample


def recipe(**fields):
    return RecipeConfig(**{"description": "a test", "batch_size": 8, "learning_rate": 1e-3, "max_tokens": 128} | fields)


def conversations(sums):
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": prompt}],
                "chosen": [{"role": "assistant", "content": right}],
                "rejected": [{"role": "assistant", "content": wrong}],
            }
            for prompt, right, wrong in sums
        ]
    )


@pytest.fixture
def new_trl_trainer(tmp_path, tokenizer, new_model, sums, monkeypatch):
    """A function (model, DPOConfig fields) → TRL's own DPOTrainer on the same pairs, as text."""
    monkeypatch.setenv("CI", "1")  # TRL counts its users over the network, but not in CI

    def build(model=None, **fields):
        from trl import DPOConfig, DPOTrainer

        args = DPOConfig(
            output_dir=str(tmp_path / "trl"), beta=0.1, max_length=None, precompute_ref_log_probs=True, bf16=False,
            activation_checkpointing=False, report_to="none", disable_tqdm=True, dataloader_pin_memory=False, **fields,
        )  # fmt: skip
        return DPOTrainer(
            model=model or new_model(), args=args, train_dataset=conversations(sums), processing_class=tokenizer
        )

    return build


def load_other_weights(model, new_model):
    """Move the policy away from its reference, which was taken when the trainer was built."""
    with torch.no_grad():
        for parameter, other in zip(model.parameters(), new_model(seed=7).parameters(), strict=True):
            parameter.add_(other, alpha=5.0)


def whole_batch(trainer):
    return trainer.data_collator([trainer.train_dataset[index] for index in range(len(trainer.train_dataset))])


def loss_of(trainer):
    return trainer.compute_loss(trainer.model, whole_batch(trainer))


trl_asks_a_deprecated_name = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")


@trl_asks_a_deprecated_name
@pytest.mark.parametrize("masking", ["none", "dpo"])
def test_without_smoothing_and_sft_the_loss_is_trls_dpo_loss(
    new_preference_trainer, new_trl_trainer, new_model, pairs, masking
):
    mine = new_preference_trainer(pairs, recipe(prefix_masking=masking))
    theirs = new_trl_trainer()
    for name in ("input_ids", "attention_mask", "completion_mask"):
        assert torch.equal(whole_batch(mine)[name], whole_batch(theirs)[name])

    for trainer in (mine, theirs):
        assert loss_of(trainer).item() == pytest.approx(math.log(2), abs=1e-6)
        load_other_weights(trainer.model, new_model)
    assert abs(loss_of(theirs).item() - math.log(2)) > 0.01
    assert loss_of(mine).item() == pytest.approx(loss_of(theirs).item(), abs=1e-6)

    for trainer in (mine, theirs):
        trainer.model.zero_grad()
        loss_of(trainer).backward()
    for (name, ours), other in zip(mine.model.named_parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, other.grad, rtol=0, atol=2e-6, msg=name)


@trl_asks_a_deprecated_name
def test_trl_ignores_label_smoothing_and_we_do_not(new_preference_trainer, new_trl_trainer, new_model, pairs):
    """Why cDPO is ours: TRL 1.16 takes `label_smoothing` beside its sigmoid loss and does nothing with it."""
    losses = {}
    for epsilon in (0.0, 0.3):
        for name, trainer in (
            ("ours", new_preference_trainer(pairs, recipe(label_smoothing=epsilon))),
            ("theirs", new_trl_trainer(label_smoothing=epsilon)),
        ):
            load_other_weights(trainer.model, new_model)
            losses[name, epsilon] = loss_of(trainer).item()
    assert losses["theirs", 0.3] == losses["theirs", 0.0]
    assert abs(losses["ours", 0.3] - losses["ours", 0.0]) > 1e-3


def test_the_gradient_does_not_depend_on_accumulation(new_preference_trainer, new_model, make_pairs, sums):
    """Seven pairs of many lengths in one optimizer step, whole or in micro-batches of uneven size."""
    step = {}
    for parts in (1, 2, 4):
        trainer = new_preference_trainer(
            make_pairs(sums[:7]), recipe(label_smoothing=0.2, sft_weight=1.0, gradient_accumulation=parts)
        )
        load_other_weights(trainer.model, new_model)
        batches, pairs = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), parts, torch.device("cpu"))
        assert len(batches) == parts
        assert pairs == 7
        trainer.model.zero_grad()
        loss = sum(trainer.training_step(trainer.model, batch, pairs) for batch in batches)
        gradient = torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()])
        step[parts] = (loss, gradient)
    for parts in (2, 4):
        assert step[parts][0].item() == pytest.approx(step[1][0].item(), rel=1e-6)
        assert (step[parts][1] - step[1][1]).norm() / step[1][1].norm() < 1e-5


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
    assert control.ref_model is None
    assert new_preference_trainer(pairs, recipe()).ref_model is None


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
    }
