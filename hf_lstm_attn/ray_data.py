"""Label files on a Ray cluster: Ray Data reads, spreads the work over its workers, and writes."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

import pyarrow as pa

from .splits import as_list
from .startup import keep_freed_memory

ROWS = 8_192  # labelled at once, and written as a file
READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".jsonl": "read_json", ".json": "read_json"}


class Labeller:
    """What a worker does: loads the model once, and labels one table after the other.

    Args:
        model: What `load_classifier` takes, on every machine of the cluster.
        text_columns: Several are joined by a space.
        choices: Of `label_columns`.
    """

    def __init__(self, model: str, text_columns: Sequence[str], choices: dict[str, Any]) -> None:
        from .inference import load_classifier  # here, for the process that starts the cluster does without

        keep_freed_memory()  # of a process that does nothing else
        self.classifier, self.text_columns, self.choices = load_classifier(model), text_columns, choices

    def __call__(self, table: pa.Table) -> pa.Table:
        from .inference import label_columns

        columns = [table.column(name).to_pylist() for name in self.text_columns]
        found = label_columns(self.classifier, columns, table.column_names, **self.choices)
        for name, values in found.items():
            table = table.append_column(name, pa.array(values))
        return table


def predict_with_ray(
    model: str | Path,
    paths: str | Sequence[str],
    output_dir: str | Path,
    *,
    text_column: str | Sequence[str] = "text",
    workers: int | None = None,
    **choices: Any,
) -> int:
    """Label rows of files into a folder of Parquet files, on the cluster that RAY_ADDRESS names or this machine.

    Columns are kept, those of `predict_file` follow; rows may change their order. What a dead worker was at is done
    again by another.

    Args:
        model: What `load_classifier` takes, on every machine of the cluster.
        paths: Files, folders or patterns like "data/*.parquet", of .parquet, .csv, .jsonl or .json files.
        output_dir: A folder that is missing or empty; every machine must reach it.
        text_column: Several are joined by a space.
        workers: Models at work at once, with a processor core each; by default as many as there are cores.
        choices: `all_scores`, `threshold` and `label_delimiter`, as in `predict_file`.

    Returns:
        How many rows were written.

    Raises:
        ImportError: without ray.
        ValueError: for files of another kind, without the text column, or a folder that is not empty.
        FileNotFoundError: if there are no such files.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("The engine ray needs ray: pip install 'hf_lstm_attn[ray]'.") from error
    patterns = [paths] if isinstance(paths, str) else list(paths)
    suffix = Path(patterns[0]).suffix
    if suffix not in READERS:
        raise ValueError(f"Ray reads {', '.join(READERS)} here, not {patterns[0]}.")
    absolute = [name if "://" in name else str(Path(name).absolute()) for name in patterns]
    files = [path for name in absolute for path in ([name] if "://" in name else sorted(glob(name)))]  # noqa: PTH207
    if not files:
        raise FileNotFoundError(f"There are no files {', '.join(patterns)}.")
    if Path(output_dir).is_dir() and any(Path(output_dir).iterdir()):
        raise ValueError(f"{output_dir} is not empty; choose another folder.")
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False)
    workers = workers or max(int(ray.cluster_resources()["CPU"]), 1)
    rows, text_columns = getattr(ray.data, READERS[suffix])(files), as_list(text_column)
    if missing := [name for name in text_columns if name not in rows.columns()]:
        problem = f"No column {missing[0]!r} in {files[0]} (columns: {', '.join(rows.columns())})."
        raise ValueError(f"{problem} Choose one with text_column.")
    # Blocks that take some seconds: a worker that starts late, or dies, leaves little of its share undone.
    labelled = rows.repartition(target_num_rows_per_block=ROWS).map_batches(
        Labeller,
        fn_constructor_args=(str(model), text_columns, choices),
        batch_format="pyarrow",
        batch_size=ROWS,
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
        num_cpus=0.5,  # the tasks that read and write want a core too
    )
    labelled.write_parquet(str(Path(output_dir).resolve()))
    return ray.data.read_parquet(str(Path(output_dir).resolve())).count()
