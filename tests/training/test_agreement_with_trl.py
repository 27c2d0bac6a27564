"""Our second-stage trainer beside TRL's own on the same pairs: where they agree, and where TRL does something else."""

import math

import pytest
import torch

from marco_dag.training import RecipeConfig

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # asked for by TRL


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
def new_trl_trainer(tmp_path, tokenizer, new_model, monkeypatch):
    """A function (rows, DPOConfig fields) → TRL's own DPOTrainer on the same pairs, as text."""
    monkeypatch.setenv("CI", "1")  # TRL counts its users over the network, but not in CI

    def build(rows, **fields):
        from trl import DPOConfig, DPOTrainer

        args = DPOConfig(
            output_dir=str(tmp_path / "trl"), max_length=None, bf16=False, activation_checkpointing=False,
            report_to="none", disable_tqdm=True, dataloader_pin_memory=False, **{"beta": 0.1} | fields,
        )  # fmt: skip
        return DPOTrainer(
            model=new_model(), ref_model=new_model(), args=args, train_dataset=conversations(rows),
            processing_class=tokenizer,
        )  # fmt: skip

    return build


def whole_batch(trainer):
    return trainer.data_collator([trainer.train_dataset[index] for index in range(len(trainer.train_dataset))])


def loss_and_gradient(trainer):
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, whole_batch(trainer))
    loss.backward()
    return loss.item(), torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()])


AGREEMENTS = {
    "dpo": ({}, {"loss_type": "sigmoid"}),
    "prefix masking, which cancels": ({"prefix_masking": "dpo"}, {"loss_type": "sigmoid"}),
    "length-normalised": ({"length_normalised": True, "beta": 5.0}, {"loss_type": "sigmoid_norm", "beta": 5.0}),
    "ld-dpo": ({"ld_alpha": 0.4}, {"loss_type": "sigmoid", "ld_alpha": 0.4}),
    "ld-dpo, masked, which cancels": ({"ld_alpha": 0.4, "prefix_masking": "dpo"}, {"ld_alpha": 0.4}),
    "length-normalised ld-dpo": (
        {"length_normalised": True, "ld_alpha": 0.4, "beta": 5.0},
        {"loss_type": "sigmoid_norm", "ld_alpha": 0.4, "beta": 5.0},
    ),
}


@pytest.mark.parametrize("name", AGREEMENTS)
def test_loss_and_gradient_are_trls(new_preference_trainer, new_trl_trainer, move_away, pairs, sums, name):
    ours, trls = AGREEMENTS[name]
    mine, theirs = new_preference_trainer(pairs, recipe(**ours)), new_trl_trainer(sums, **trls)
    for column in ("input_ids", "attention_mask", "completion_mask"):
        assert torch.equal(whole_batch(mine)[column], whole_batch(theirs)[column])
    for trainer in (mine, theirs):
        assert loss_and_gradient(trainer)[0] == pytest.approx(math.log(2), abs=1e-6)
        move_away(trainer.model)

    (my_loss, my_gradient), (their_loss, their_gradient) = map(loss_and_gradient, (mine, theirs))
    assert abs(their_loss - math.log(2)) > 0.01
    assert my_loss == pytest.approx(their_loss, abs=1e-5)
    assert (my_gradient - their_gradient).norm() / their_gradient.norm() < 1e-4


@pytest.mark.parametrize(
    ("ours", "trls"),
    [
        ({"label_smoothing": 0.2}, {"loss_type": "aot", "label_smoothing": 0.2}),
        (
            {"preference_weight": 0.7, "sft_weight": 1.5},
            {"loss_type": ["sigmoid", "sft"], "loss_weights": [0.7, 1.5]},
        ),
    ],
    ids=["cdpo", "joint"],
)
def test_on_one_pair_alone_trl_has_cdpo_and_the_joint_loss(
    new_preference_trainer, new_trl_trainer, move_away, make_pairs, sums, ours, trls
):
    """TRL's `aot` sorts the batch's log-ratios, its `sft` is a mean over the batch's tokens: of one pair, no matter."""
    mine, theirs = new_preference_trainer(make_pairs(sums[8:9]), recipe(**ours)), new_trl_trainer(sums[8:9], **trls)
    for trainer in (mine, theirs):
        move_away(trainer.model)
    (my_loss, my_gradient), (their_loss, their_gradient) = map(loss_and_gradient, (mine, theirs))
    assert my_loss == pytest.approx(their_loss, abs=1e-5)
    assert (my_gradient - their_gradient).norm() / their_gradient.norm() < 1e-4


def test_trl_ignores_label_smoothing_and_we_do_not(new_preference_trainer, new_trl_trainer, move_away, pairs, sums):
    """Why cDPO is ours: TRL 1.16 takes `label_smoothing` beside its sigmoid loss and does nothing with it."""
    losses = {}
    for epsilon in (0.0, 0.3):
        for name, trainer in (
            ("ours", new_preference_trainer(pairs, recipe(label_smoothing=epsilon))),
            ("theirs", new_trl_trainer(sums, label_smoothing=epsilon)),
        ):
            move_away(trainer.model)
            losses[name, epsilon], _ = loss_and_gradient(trainer)
    assert losses["theirs", 0.3] == losses["theirs", 0.0]
    assert abs(losses["ours", 0.3] - losses["ours", 0.0]) > 1e-3


def test_trls_sft_term_weighs_a_pair_by_its_length_and_ours_does_not(
    new_preference_trainer, new_trl_trainer, pairs, make_pairs, sums
):
    """Why L_SFT is ours: a token mean over a micro-batch is not the mean of its parts, so accumulation changes it."""
    sft_alone = {"loss_type": "sft", "loss_weights": [1.0]}
    lopsided = sorted(sums, key=lambda row: len(row[1]))
    halves = lopsided[:20], lopsided[20:]

    def ours(frame):
        control = recipe(preference_weight=0.0, sft_weight=1.0)
        return loss_and_gradient(new_preference_trainer(frame, control))[0]

    def theirs(rows):
        return loss_and_gradient(new_trl_trainer(rows, **sft_alone))[0]

    assert sum(ours(make_pairs(half)) for half in halves) / 2 == pytest.approx(ours(pairs), abs=1e-6)
    assert abs(sum(theirs(half) for half in halves) / 2 - theirs(sums)) > 1e-3
