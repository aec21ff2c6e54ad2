"""LstmAttnTrainer: the stock Trainer that takes raw texts and labels, and leaves a folder ready to publish."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerState
from transformers.trainer_utils import IntervalStrategy, PredictionOutput

from . import hub, model_card
from .callbacks import AveragedWeights, EarlyStopping, RunRecord, check_loss, leave_autocast, report_progress
from .encoding import build_loss, describe_split, encode, find_labels, list_labels, match_model, warn_of_unknown_words
from .locks import hold
from .metrics import compute_reliability, compute_scores, decide, fit_temperature
from .results import collect_results, select_metrics
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

    Raises ValueError without a model or tokenizer, for data without texts, or labels that do not fit.
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
        if (model is None and model_init is None) or processing_class is None:
            raise ValueError("Pass a model, or model_init, and its tokenizer as processing_class.")
        if eval_dataset is None:
            args.eval_strategy, args.load_best_model_at_end = IntervalStrategy.NO, False
        self.label_feature, self.processing_class = find_labels(train_dataset), processing_class
        self.model_init, self.dataset_arguments, self.origin = model_init, dataset_arguments, origin
        matched = self.call_model_init() if model is None else match_model(model, self.label_feature, processing_class)
        config = matched.config
        self.results: dict[str, Any] = {}
        self.scored: tuple[np.ndarray, np.ndarray] | None = None  # logits and labels of the last evaluation
        reader = copy.deepcopy(processing_class)
        reader.model_max_length = min(args.max_length or reader.model_max_length, reader.model_max_length)
        reader.truncation_side = "left" if args.truncation_mode == "keep_end" else "right"
        train_rows, eval_rows = encode(train_dataset, reader, config), encode(eval_dataset, processing_class, config)
        warn_of_unknown_words(eval_rows, processing_class)
        if isinstance(train_rows, Dataset):
            is_taught = getattr(config, "projection_size", None) is not None
            args.adapt(len(train_rows), sum(map(len, train_rows["input_ids"])), is_taught=is_taught)
        splits = {"train": train_dataset, "validation": eval_dataset}
        self.splits = {name: describe_split(rows, list_labels(config)) for name, rows in splits.items()}
        kwargs["compute_metrics"] = kwargs.get("compute_metrics") or self._compute_metrics
        kwargs["compute_loss_func"] = kwargs.get("compute_loss_func") or build_loss(args, train_rows, config)
        self.averages = AveragedWeights(args.ema_decay) if args.ema_decay is not None else None
        self.record = RunRecord(self.splits["train"].get("fingerprint"))
        kwargs["callbacks"] = [*(kwargs.get("callbacks") or []), *filter(None, (self.averages, self.record))]
        super().__init__(model, args, data_collator, train_rows, eval_rows, processing_class, model_init, **kwargs)
        self.loss_is_scaled_for_ga = False  # every loss here is the mean of its own batch
        report_progress(self)
        if args.stops_early and args.early_stopping_patience is not None and args.load_best_model_at_end:
            self.add_callback(EarlyStopping(args.early_stopping_patience))

    def call_model_init(self, trial: Any = None) -> PreTrainedModel:
        """As in `Trainer`; the model gets the data's classes and the tokenizer's length."""
        return match_model(super().call_model_init(trial), self.label_feature, self.processing_class)

    def train(self, resume_from_checkpoint: str | Path | bool | None = None, trial: Any = None, **kwargs: Any) -> Any:
        """As in `Trainer`; `args.resume_from_checkpoint` counts too, and `True` means the newest whole checkpoint.

        Raises:
            ValueError: to resume without a checkpoint, or one of other data; when the loss is not finite; while another
                process trains into the folder.
        """
        args = self.args
        choice = args.resume_from_checkpoint if resume_from_checkpoint is None else resume_from_checkpoint
        checkpoint, max_steps = self.record.resume(choice, args.output_dir), args.max_steps
        if checkpoint is not None:
            state = TrainerState.load_from_json(f"{checkpoint}/trainer_state.json")
            if state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
                args.max_steps = state.global_step  # it had ended, early perhaps: nothing is left to train
            if self.averages is not None:
                self.averages.resume_from = Path(checkpoint)
        with hold(args.output_dir):
            output = super().train(resume_from_checkpoint=checkpoint, trial=trial, **kwargs)
            args.max_steps = max_steps
            if trial is None:
                self._finish()
        return output

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """As in `Trainer`; the layers before the head learn at a rate of their own."""
        model, rate = model or self.model, self.args.body_learning_rate
        optimizer = super().create_optimizer(model)
        if rate is not None:
            head = set(model.classifier.parameters())
            for group in list(optimizer.param_groups):
                own = [weights for weights in group["params"] if weights in head]
                body = [weights for weights in group["params"] if weights not in head]
                group["params"] = own  # comes first, for its rate is the one that is logged
                optimizer.param_groups.append({**group, "params": body, "lr": rate})
        return optimizer

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """As in `Trainer`; a loss that is not finite ends training."""
        return check_loss(super().training_step(model, inputs, num_items_in_batch), self.state)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """What is evaluated and saved is the average of the weights."""
        is_due = self.control.should_evaluate or self.control.should_save
        with self.averages.averaged(self.model) if self.averages and is_due else nullcontext():
            super()._maybe_log_save_evaluate(*args, **kwargs)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """As in `Trainer`; of checkpoints whose metric ties, the one with the lower loss is the best. One class for
        everything counts as the worst: it has F1 0.67 where half of the texts are of class 1."""
        if metrics.get("eval_predicted_classes") == 1 and self.args.greater_is_better:
            metrics = {**metrics, f"eval_{self.args.metric_for_best_model}": 0.0}
        is_best = super()._determine_best_metric(metrics, trial)
        losses = {row["step"]: row["eval_loss"] for row in self.state.log_history if "eval_loss" in row}
        is_tie = metrics.get(f"eval_{self.args.metric_for_best_model}") == self.state.best_metric
        if is_tie and metrics.get("eval_loss", np.inf) < losses.get(self.state.best_global_step, -np.inf):
            self.state.best_global_step, is_best = self.state.global_step, True
        return is_best

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """As in `Trainer`, without the pickle of arguments, with a tokenizer that transformers 4 loads too, and in a
        checkpoint with the raw weights."""
        super()._save(output_dir, state_dict)
        if not self.args.should_save:  # every process comes here
            return
        folder = Path(output_dir or self.args.output_dir)
        (folder / "training_args.bin").unlink(missing_ok=True)
        save_tokenizer(self.processing_class, folder)
        if self.averages is not None:
            self.averages.save_raw(folder)

    def _compute_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        logits, labels = np.asarray(prediction.predictions, dtype=np.float32), np.asarray(prediction.label_ids)
        is_multi = self.model.config.problem_type == "multi_label_classification"
        if labels.ndim == 2 and not is_multi:  # soft labels
            labels = labels.argmax(-1)
        self.scored = None if is_multi else (logits, labels)
        predictions = decide(logits, labels)
        scores = compute_scores(predictions, labels, logits.shape[-1])
        return {**scores, "predicted_classes": len(np.unique(predictions, axis=0))}

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """As in `Trainer`, on raw columns too. With the prefix "test" the figures are added to results.json."""
        rows = encode(eval_dataset, self.processing_class, self.model.config)
        with_train = self.is_in_train and self.args.eval_on_train and metric_key_prefix == "eval"
        if with_train and isinstance(self.train_dataset, Dataset):
            sample = self.train_dataset.select(range(min(len(self.train_dataset), TRAIN_ROWS)))
            loader = self.get_eval_dataloader(sample)
            self.log(self.evaluation_loop(loader, "Training rows", metric_key_prefix="train").metrics)
        metrics = super().evaluate(rows, ignore_keys=ignore_keys, metric_key_prefix=metric_key_prefix)
        if metric_key_prefix == "test" and self.results and self.is_world_process_zero():
            self._record_test(metrics, describe_split(eval_dataset, list_labels(self.model.config)))
        return metrics

    def predict(self, test_dataset: Any, *args: Any, **kwargs: Any) -> PredictionOutput:
        """As in `Trainer`, on raw columns too; rows come back in their own order."""
        rows = encode(test_dataset, self.processing_class, self.model.config)
        output, sampler = super().predict(rows, *args, **kwargs), self._get_eval_sampler(rows)
        if sampler is None:
            return output
        places = np.argsort(list(sampler))  # the sampler draws the same order each time
        labels = None if output.label_ids is None else output.label_ids[places]
        return output._replace(predictions=output.predictions[places], label_ids=labels)

    def _finish(self) -> None:
        """Calibrate the kept weights, and write model, results, figures and card."""
        leave_autocast(self)
        if self.args.calibrate and isinstance(self.eval_dataset, Dataset):
            logits, labels, _ = self.predict(self.eval_dataset, metric_key_prefix="validation")
            if np.ndim(labels) == 1:
                self.model.config.calibration_temperature = fit_temperature(logits, labels)
        self.save_model()
        if self.is_world_process_zero():
            self.results = collect_results(self)
            self._write_results()
        self.accelerator.wait_for_everyone()
        if self.args.push_to_hub:
            self.push_to_hub()

    def _record_test(self, metrics: dict[str, float], split: dict[str, Any]) -> None:
        """Add the figures of the test split to the results."""
        from sklearn.metrics import confusion_matrix

        self.results["dataset"]["splits"]["test"] = split
        self.results["metrics"]["test"] = select_metrics(metrics, "test_")
        found: dict[str, Any] = {}
        if self.scored is not None:
            logits, labels = self.scored
            confusion = confusion_matrix(labels, logits.argmax(-1), labels=np.arange(logits.shape[-1]))
            temperatures = {"as trained": 1.0, "calibrated": self.model.config.calibration_temperature}
            reliability = {name: compute_reliability(logits, labels, by) for name, by in temperatures.items() if by}
            found = {"confusion": {"test": confusion.tolist()}, "reliability": {"test": reliability}}
        self.results |= found
        self._write_results(found)

    def _write_results(self, new: dict[str, Any] | None = None) -> None:
        """Write what `results` hold into the folder, and draw all of it or the new parts."""
        hub.save_run(self.results, self.args.output_dir, new, repo_id=self.args.hub_model_id)

    def create_model_card(self, *args: Any, license: str | None = None, **kwargs: Any) -> None:
        """Write README.md from the results; stock arguments but `license` are without effect."""
        if self.results and self.is_world_process_zero():
            model_card.save_card(self.results, self.args.output_dir, repo_id=self.args.hub_model_id, license=license)

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
        if not self.is_world_process_zero():
            return None
        args = self.args
        choices = {"private": args.hub_private_repo, "revision": args.hub_revision, "token": args.hub_token}
        choices = {name: kwargs.get(name) or value for name, value in choices.items()}
        repo_id, license = args.hub_model_id or Path(args.output_dir).name, license or args.license
        return hub.push(args.output_dir, repo_id, license=license, commit_message=commit_message, **choices)
