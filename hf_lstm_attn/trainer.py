"""LstmAttnTrainer: the stock Trainer that takes raw texts and labels, and leaves a folder ready to publish."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, IntervalStrategy, PredictionOutput

from .callbacks import AveragedWeights, EarlyStopping, EpochReport, Progress, RunRecord, choose_checkpoint
from .encoding import build_loss, describe_split, encode, find_labels, list_labels, match_model
from .metrics import METRICS, compute_metrics, compute_reliability, confusion_matrix, fit_temperature
from .results import collect_results, save_results, select_metrics
from .tokenization import save_tokenizer
from .training_args import LstmAttnTrainingArguments

TRAIN_ROWS = 2_500  # of an evaluation


class LstmAttnTrainer(Trainer):
    """`transformers.Trainer` for classifiers of texts. Everything stock works as it does there; new are:

    - Data may have the raw columns `text` and `label`: names, class ids, or soft labels, a list of num_labels
      probabilities. A model whose classes differ from the data's gets a new head.
    - Metrics, averaged weights, early stopping, class-balanced loss and the number of epochs come from
      `LstmAttnTrainingArguments`; `compute_metrics` and `compute_loss_func` of one's own win.
    - After `train()`, `args.output_dir` holds the best model, its tokenizer, code, results.json, figures and card;
      `evaluate(rows, metric_key_prefix="test")` adds the test split's figures. `push_to_hub(license=...)` pushes that.

    Args:
        model, args, train_dataset, eval_dataset, processing_class, ...: As in `Trainer`.
        dataset_arguments: What `load_data` was called with, for results.json: `evaluate` rebuilds the splits by it.
        origin: What the model started from and was taught by, for results.json and the card.

    Raises ValueError for data without texts, or labels that do not fit.
    """

    def __init__(
        self,
        model: PreTrainedModel | None = None,
        args: LstmAttnTrainingArguments | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        *,
        model_init: Callable[..., PreTrainedModel] | None = None,
        dataset_arguments: dict[str, Any] | None = None,
        origin: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        args = args or LstmAttnTrainingArguments("trainer_output")
        if not isinstance(args, LstmAttnTrainingArguments):
            raise TypeError("args must be LstmAttnTrainingArguments, which take every field of TrainingArguments.")
        if eval_dataset is None:
            args.eval_strategy, args.load_best_model_at_end = IntervalStrategy.NO, False
        names = find_labels(train_dataset)

        def prepare(trial: Any = None) -> PreTrainedModel:
            """The model, or a new one for a trial, with the data's classes and the tokenizer's length."""
            if model_init is None:
                return match_model(model, names, processing_class)
            made = model_init(trial) if inspect.signature(model_init).parameters else model_init()
            return match_model(made, names, processing_class)

        config = prepare().config
        self.dataset_arguments, self.origin = dataset_arguments, origin
        self.results: dict[str, Any] = {}
        self.splits = {"train": describe_split(train_dataset, list_labels(config))}
        if not isinstance(eval_dataset, dict):
            self.splits["validation"] = describe_split(eval_dataset, list_labels(config))
        self.scored: tuple[np.ndarray, np.ndarray] | None = None  # logits and labels of the last evaluation
        keep_end = args.truncation_mode == "keep_end"
        train_rows = encode(train_dataset, processing_class, config, max_length=args.max_length, keep_end=keep_end)
        kwargs["compute_metrics"] = kwargs.get("compute_metrics") or self._compute_metrics
        kwargs["compute_loss_func"] = kwargs.get("compute_loss_func") or build_loss(args, train_rows, config)
        kwargs["model_init"] = prepare if model_init else None
        eval_rows = encode(eval_dataset, processing_class, config)
        super().__init__(model, args, data_collator, train_rows, eval_rows, processing_class, **kwargs)
        self.loss_is_scaled_for_ga = False  # every loss here is the mean of its own batch
        if args.epochs_left_open and isinstance(train_rows, Dataset):
            tokens = sum(map(len, train_rows["input_ids"]))
            args.num_train_epochs = min(max(round(args.MIN_TOKENS / max(tokens, 1)), 3), 20)
        self._add_callbacks()

    def _add_callbacks(self) -> None:
        args = self.args
        self.averages = AveragedWeights(args.ema_decay) if args.ema_decay is not None else None
        self.record = RunRecord(self.splits["train"].get("fingerprint"))
        self.remove_callback(PrinterCallback)
        if self.pop_callback(ProgressCallback) is not None:
            self.add_callback(Progress())
        for callback in (self.averages, self.record, EpochReport()):
            if callback is not None:
                self.add_callback(callback)
        if args.early_stopping_patience is not None and args.load_best_model_at_end:
            self.add_callback(EarlyStopping(args.early_stopping_patience))

    def train(self, resume_from_checkpoint: str | bool | None = None, trial: Any = None, **kwargs: Any) -> Any:
        """As in `Trainer`; `args.resume_from_checkpoint` counts too, and `True` means the newest whole checkpoint.

        Raises:
            ValueError: to resume without a checkpoint, or one of other data; when the loss is not finite.
        """
        if resume_from_checkpoint is None:
            resume_from_checkpoint = self.args.resume_from_checkpoint
        folder, with_raw_weights = Path(self.args.output_dir), self.averages is not None
        checkpoint = choose_checkpoint(resume_from_checkpoint, folder, with_raw_weights=with_raw_weights)
        if checkpoint is not None:
            self._prepare_to_resume(checkpoint)
        checkpoint_name = None if checkpoint is None else str(checkpoint)
        output = super().train(resume_from_checkpoint=checkpoint_name, trial=trial, **kwargs)
        if trial is None:
            self._finish()
        return output

    def _prepare_to_resume(self, checkpoint: Path) -> None:
        self.record.resume(checkpoint)
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        if state["stateful_callbacks"].get("TrainerControl", {}).get("args", {}).get("should_training_stop"):
            self.args.max_steps = state["global_step"]  # it had ended, early perhaps: nothing is left to train
        if self.averages is not None:
            self.averages.resume_from = checkpoint

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """As in `Trainer`; a loss that is not finite ends training."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise ValueError(f"The loss became {loss.item()} after step {self.state.global_step}; lower learning_rate.")
        return loss

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """What is evaluated and saved is the average of the weights."""
        is_due = self.control.should_evaluate or self.control.should_save
        with self.averages.averaged(self.model) if self.averages and is_due else nullcontext():
            super()._maybe_log_save_evaluate(*args, **kwargs)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """As in `Trainer`; of checkpoints whose metric ties, the one with the lower loss is the best."""
        is_best = super()._determine_best_metric(metrics, trial)
        name = self.args.metric_for_best_model or ""
        value = metrics.get(name if name.startswith("eval_") else f"eval_{name}")
        if not is_best and value is not None and value == self.state.best_metric and self.state.best_global_step:
            losses = {row["step"]: row["eval_loss"] for row in self.state.log_history if "eval_loss" in row}
            is_best = metrics["eval_loss"] < losses.get(self.state.best_global_step, -np.inf)
            if is_best:
                self.state.best_global_step = self.state.global_step
        return is_best

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.averages is not None and self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
            self.averages.save(folder, self.model)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """As in `Trainer`, without the pickle of arguments, and with a tokenizer that transformers 4 loads too."""
        super()._save(output_dir, state_dict)
        folder = Path(output_dir or self.args.output_dir)
        if self.args.should_save:
            (folder / "training_args.bin").unlink(missing_ok=True)
            if self.processing_class is not None:
                save_tokenizer(self.processing_class, folder)

    def _compute_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        logits, labels = np.asarray(prediction.predictions, dtype=np.float32), np.asarray(prediction.label_ids)
        if self.model.config.problem_type == "multi_label_classification":
            return {}
        if labels.ndim == 2:
            labels = labels.argmax(-1)
        self.scored = logits, labels
        metrics = compute_metrics(logits, labels)
        return {name: metrics[name] for name in METRICS} | {"predicted_classes": len(np.unique(logits.argmax(-1)))}

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """As in `Trainer`, on raw columns too. With the prefix "test" the figures are added to results.json."""
        rows = encode(eval_dataset, self.processing_class, self.model.config)
        if self.is_in_train and metric_key_prefix == "eval" and self.args.eval_on_train:
            self._evaluate_on_train()
        metrics = super().evaluate(rows, ignore_keys=ignore_keys, metric_key_prefix=metric_key_prefix)
        if metric_key_prefix == "test" and self.results and self.is_world_process_zero():
            self._record_test(metrics, describe_split(eval_dataset, list_labels(self.model.config)))
        return metrics

    def _evaluate_on_train(self) -> None:
        if not isinstance(self.train_dataset, Dataset):
            return
        sample = self.train_dataset.select(range(min(len(self.train_dataset), TRAIN_ROWS)))
        output = self.evaluation_loop(self.get_eval_dataloader(sample), "Training rows", metric_key_prefix="train")
        self.log({name: value for name, value in output.metrics.items() if not name.endswith("_time")})

    def predict(
        self, test_dataset: Any, ignore_keys: list[str] | None = None, metric_key_prefix: str = "test"
    ) -> PredictionOutput:
        """As in `Trainer`, on raw columns too; rows come back in their own order."""
        rows = encode(test_dataset, self.processing_class, self.model.config)
        order = np.arange(len(rows))
        if isinstance(rows, Dataset):  # read longest first, so that little is padding
            order = np.argsort([-len(ids) for ids in rows["input_ids"]], kind="stable")
            rows = rows.select(order)
        strategy, self.args.train_sampling_strategy = self.args.train_sampling_strategy, "sequential"
        try:
            output = super().predict(rows, ignore_keys=ignore_keys, metric_key_prefix=metric_key_prefix)
        finally:
            self.args.train_sampling_strategy = strategy
        places = np.argsort(order)
        labels = None if output.label_ids is None else np.asarray(output.label_ids)[places]
        return PredictionOutput(np.asarray(output.predictions)[places], labels, output.metrics)

    def _finish(self) -> None:
        """Calibrate the kept weights, and write model, results, figures and card."""
        config = self.model.config
        if (
            self.args.calibrate
            and isinstance(self.eval_dataset, Dataset)
            and hasattr(config, "calibration_temperature")
        ):
            output = self.predict(self.eval_dataset, metric_key_prefix="validation")
            if output.label_ids is not None and np.ndim(output.label_ids) == 1:
                config.calibration_temperature = fit_temperature(output.predictions, output.label_ids)
        self.save_model()
        if self.is_world_process_zero():
            self.results = collect_results(self)
            self._write_results()
        self.accelerator.wait_for_everyone()
        if self.args.push_to_hub:
            self.push_to_hub()

    def _record_test(self, metrics: dict[str, float], split: dict[str, Any]) -> None:
        """Add the figures of the test split to the results."""
        self.results["dataset"]["splits"]["test"] = split
        self.results["metrics"]["test"] = select_metrics(metrics, "test_")
        if self.scored is not None:
            logits, labels = self.scored
            temperature = self.model.config.calibration_temperature
            reliability = {"as trained": compute_reliability(logits, labels)}
            if temperature is not None:
                reliability["calibrated"] = compute_reliability(logits, labels, temperature)
            confusion = confusion_matrix(logits.argmax(-1), labels, logits.shape[-1])
            self.results["confusion"] = {"test": confusion.tolist()}
            self.results["reliability"] = {"test": reliability}
        self._write_results()

    def _write_results(self) -> None:
        """Results first: a figure that fails costs a warning."""
        from .hub import save
        from .model_card import save_figures

        save_results(self.results, self.args.output_dir)
        save_figures(self.results, self.args.output_dir)
        self.create_model_card()
        save(self.args.output_dir)

    def create_model_card(self, *args: Any, license: str | None = None, **kwargs: Any) -> None:
        """Write README.md from the results; stock arguments but `license` are without effect."""
        from .model_card import save_card

        if self.results and self.is_world_process_zero():
            save_card(self.results, self.args.output_dir, repo_id=self.args.hub_model_id, license=license)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Nothing: a run is pushed whole, at its end."""

    def push_to_hub(
        self, commit_message: str = "End of training", *, license: str | None = None, **kwargs: Any
    ) -> str | None:
        """Push `args.output_dir` as it stands to `args.hub_model_id`, in one commit; of the stock arguments, `private`,
        `revision` and `token` count.

        Returns the repository's address; None in processes other than the first. Raises ValueError without a license,
        here or in `args`, and OSError before training, or if the Hub cannot be reached or refuses.
        """
        from .hub import push

        if not self.is_world_process_zero():
            return None
        args = self.args
        choices = {"private": args.hub_private_repo, "revision": args.hub_revision, "token": args.hub_token}
        choices = {name: kwargs.get(name) or value for name, value in choices.items()}
        repo_id, license = args.hub_model_id or Path(args.output_dir).name, license or args.license
        return push(args.output_dir, repo_id, license=license, commit_message=commit_message, **choices)
