"""Model folders and the Hub: complete one, publish it, check it, give it a page."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, run
from typing import Any

from . import __version__
from .locks import stage

logger = logging.getLogger("hf_lstm_attn")
PACKAGE = Path(__file__).parent
CODE = ("configuration_lstm_attn.py", "modeling_lstm_attn.py", "pipeline_lstm_attn.py", "handler.py")
NEEDED = ("config.json", "model.safetensors", "tokenizer.json")
CHECKSUMS = "SHA256SUMS"
COMMAND_FILE = "_command.json"  # of a run: how it was begun, with the paths of this machine; not published
# Not published: checkpoints, pickles, what a kill left half, logs, what is hidden or begins with an underscore.
NOT_PUBLISHED = ["checkpoint-*", "*.pt", "*.part", "training_args.bin", "runs/*", ".*", "*/.*", "_*", "*/_*"]
# What a training writes into its folder; all else there is another's.
WRITTEN = [*CODE, *NEEDED, CHECKSUMS, COMMAND_FILE, "checkpoint-*", "[!.]*.part", "README.md", "tokenizer_config.json"]
WRITTEN += ["results.json", "pretraining.json", "distillation.json", "special_tokens_map.json", "onnx"]
WRITTEN += ["architecture.png", "curves.png", "confusion.png", "reliability.png", "heatmap_?.png", "audit.png"]
REASONS = {  # status -> what to tell, of repository, branch and error
    401: "The Hub was sent no token, or one that it does not know (401). Log in with `hf auth login`, or set HF_TOKEN.",
    403: "This token may not write to {0} (403). Use a token with the role write, or your own name.",
    404: "{0} has no branch {1} (404). Create it: hf repos branch create {0} {1}",
    None: "The Hub did not confirm the push: {2}. A push arrives as a whole or not at all; push again.",
}
TOLERANCE = 1e-4  # how far a recorded number may be from the same one on another machine
STRANGER = """
import json, sys
sys.modules["hf_lstm_attn"] = None
from transformers import pipeline
own = pipeline("text-classification", sys.argv[1], trust_remote_code=True, dtype="float32", device="cpu")
rows = json.load(open(sys.argv[1] + "/results.json", encoding="utf-8"))["predictions"]
inputs = [own.tokenizer(row["text"], truncation=True, return_tensors="pt") for row in rows]
outputs = [own.model(**row, output_attentions=True) for row in inputs]
print(json.dumps([{"logits": row.logits[0].tolist(), "attentions": row.attentions[0].tolist()} for row in outputs]))
"""


class HubError(OSError):
    """The Hub cannot be reached or refuses; the repository is as it was."""


def check_repo_id(repo_id: str) -> None:
    """Raises ValueError for a name that no repository can have."""
    if not re.fullmatch(r"(?!.*(--|\.\.|\.git$))\w[\w.-]{0,95}/\w[\w.-]{0,95}", repo_id, re.ASCII):
        raise ValueError(f"{repo_id!r} cannot be a repository; call it NAME/MODEL, NAME being yours on the Hub.")


def check_license(name: str | None) -> str:
    """The name, if the Hub knows a licence by it; else raises ValueError with those that it may mean."""
    known = (PACKAGE / "licenses.txt").read_text(encoding="utf-8").split()
    if name in known:
        return name
    near = difflib.get_close_matches((name or "").lower(), known) or ["mit", "apache-2.0", "cc-by-4.0", "other"]
    raise ValueError(f"The license is {name or 'missing'}; name it as the Hub does. Did you mean {', '.join(near)}?")


def list_files(folder: Path) -> list[str]:
    """Paths in the repository, sorted, of what `push` publishes; symbolic links are among them."""
    from huggingface_hub.utils import filter_repo_objects

    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return sorted(filter_repo_objects(paths, ignore_patterns=NOT_PUBLISHED))


def compute_checksums(folder: Path) -> dict[str, str]:
    """Path -> SHA-256, as hexadecimal digits, of what `push` publishes beside the list of checksums."""
    names = [name for name in list_files(folder) if name != CHECKSUMS]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def save(folder: str | Path) -> None:
    """Complete a saved model's folder for those who do not have this package, and write its checksums.

    Adds the code that travels with the model, makes the tokenizer load on transformers 4 and 5, and writes SHA256SUMS
    (for `sha256sum --check`) over the files that `push` publishes. Removes nothing.

    Raises FileNotFoundError without a saved model and its tokenizer, ValueError for a symbolic link.
    """
    from transformers import PreTrainedTokenizerFast

    from .configuration_lstm_attn import LstmAttnConfig
    from .results import save_text
    from .tokenization import save_tokenizer

    folder = Path(folder)
    if missing := [name for name in NEEDED if not (folder / name).is_file()]:
        raise FileNotFoundError(f"{folder} has no {', '.join(missing)}: it holds no saved model with its tokenizer.")
    if links := [name for name in list_files(folder) if (folder / name).is_symlink()]:
        raise ValueError(f"{', '.join(links)} in {folder}: links cannot be published. Put the files themselves there.")
    fields, _ = LstmAttnConfig.get_config_dict(folder)
    with stage(folder / CHECKSUMS) as part:  # a kill leaves every file whole, the old one or the new
        if fields.get("model_type") == LstmAttnConfig.model_type:
            LstmAttnConfig.from_dict(fields).save_pretrained(part)
            for name in CODE:
                (part / name).write_bytes((PACKAGE / name).read_bytes())
        save_tokenizer(PreTrainedTokenizerFast.from_pretrained(folder), part)
        for path in part.glob("[!.]*"):
            path.replace(folder / path.name)
        lines = [f"{checksum}  {name}\n" for name, checksum in compute_checksums(folder).items()]
        save_text("".join(lines), folder / CHECKSUMS)


def save_run(results: dict[str, Any], folder: str | Path, new: dict[str, Any] | None = None, **card: Any) -> None:
    """Write a run's results, figures, card and checksums; results first, for a figure that fails costs a warning.

    Args:
        new: The parts of the results to draw; by default all.
        card: Options of `render_card`.
    """
    from .model_card import save_card, save_figures
    from .results import RESULTS_FILE, save_json

    save_json(results, Path(folder) / RESULTS_FILE)
    titles = {name: results.get(name) for name in ("schema_version", "dataset", "labels")}
    save_figures(results if new is None else titles | new, folder)
    save_card(results, folder, **card)
    save(folder)


def push(
    folder: str | Path,
    repo_id: str,
    *,
    license: str | None = None,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    token: str | None = None,
    commit_message: str = "Push model",
) -> str:
    """Publish a folder that `LstmAttnTrainer` left, in one commit; the repository then holds its files and no others.

    Args:
        license: Of the model, as the Hub names it ("mit"); by default what results.json says.
        private: Create the repository private. A public one that exists is an error.
        revision, create_pr, token, commit_message: As in `huggingface_hub.upload_folder`.

    Returns:
        The address of the repository, or of the pull request.

    Raises:
        ValueError: for a name that no repository can have, an unknown licence or none, or `private` where the
            repository is public.
        FileNotFoundError: if the folder holds no results.json or no saved model.
        HubError: without a token or the right to write, for an unknown branch, or if the Hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    from .model_card import save_card
    from .results import load_results

    check_repo_id(repo_id)
    results = load_results(folder)
    license = check_license(license or results.get("license"))
    save_card(results, folder, repo_id=repo_id, license=license)
    save(folder)
    api = HfApi(token=token)
    choices: dict[str, Any] = {"revision": revision, "create_pr": create_pr, "commit_message": commit_message}
    choices |= {"ignore_patterns": NOT_PUBLISHED, "delete_patterns": "*"}
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        head = api.model_info(repo_id, revision=revision)
        if private and not head.private:
            raise ValueError(f"{repo_id} is public. Make it private in its settings first.")
        commit = api.upload_folder(repo_id=repo_id, folder_path=folder, parent_commit=head.sha, **choices)
    except (HTTPError, OSError, RuntimeError) as error:
        cause: Any = error.__cause__ or error  # RuntimeError is the client's, around what befell the upload of a file
        status = getattr(getattr(cause, "response", None), "status_code", None)
        raise HubError(REASONS.get(status, REASONS[None]).format(repo_id, revision, cause)) from None
    return commit.pr_url or f"{api.endpoint}/{repo_id}{f'/tree/{revision}' if revision else ''}"


def verify(folder_or_repo: str | Path, *, trust_remote_code: bool = False) -> list[str]:
    """Every difference between a model folder and what it says of itself, as sentences; none for a folder as it was.

    Compares checksums, the card's figures with those of results.json, the code with this package's, and the recorded
    predictions with what the model says now, read by this package's own classes. Checksums show damage, not authorship.

    Args:
        folder_or_repo: A folder, or the name of a repository on the Hub, which is downloaded.
        trust_remote_code: Whether to replay them with the folder's own code too, in a process that knows no tokens.

    Raises FileNotFoundError without a results.json, ValueError for neither a folder nor the name of a repository.
    """
    from huggingface_hub import snapshot_download

    from .inference import load_classifier
    from .results import compute_predictions, load_results

    folder = Path(folder_or_repo if Path(folder_or_repo).is_dir() else snapshot_download(str(folder_or_repo)))
    differences = _compare_files(folder)
    if differences and (folder / CHECKSUMS).is_file():  # of what is damaged nothing more can be said
        return differences
    results = load_results(folder)
    recorded = results.get("predictions", [])
    if not recorded:
        logger.warning("The folder is of an older version and records no predictions: they could not be replayed.")
    differences += [*_compare_code(folder, results), *_compare_card(folder, results)]
    try:
        replayed = compute_predictions(load_classifier(folder), [row["text"] for row in recorded])
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        return [*differences, f"The model cannot be read: {error}"]
    differences += _compare_predictions(results, replayed)
    if trust_remote_code and recorded:
        differences += _replay_with_own_code(folder, results)
    return differences


def _compare_files(folder: Path) -> list[str]:
    if not (folder / CHECKSUMS).is_file():
        return [f"{CHECKSUMS} is missing: damage cannot be seen. hf_lstm_attn.hub.save writes it."]
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    stated = {line[66:]: line[:64] for line in lines if not line.startswith("#")}
    found = compute_checksums(folder)
    changed = sorted({name for name, _ in stated.items() ^ found.items()})
    why = {name: "missing" if name not in found else "changed" if name in stated else "not listed" for name in changed}
    return [f"{name} is {why[name]}, says {CHECKSUMS}." for name in changed]


def _compare_code(folder: Path, results: dict[str, Any]) -> list[str]:
    version = results.get("versions", {}).get("hf_lstm_attn", "unknown")
    ours = {name: (PACKAGE / name).read_bytes() for name in CODE}
    changed = [path.name for path in sorted(folder.glob("*.py")) if path.read_bytes() != ours.get(path.name)]
    said = f"is not the code of the installed hf_lstm_attn {__version__}; the model is of {version}."
    if changed and version != __version__:
        logger.warning(f"{', '.join(changed)} {said} The installed one was used.")
    return [f"{name} {said}" for name in changed if version == __version__]


def _compare_card(folder: Path, results: dict[str, Any]) -> Iterator[str]:
    from huggingface_hub import metadata_load

    recorded = results.get("metrics", results).get("test", {})
    card = folder / "README.md"
    index = ((card.is_file() and metadata_load(card)) or {}).get("model-index", [])
    for metric in (metric for model in index for result in model["results"] for metric in result["metrics"]):
        name = re.sub("[ -]", "_", str(metric.get("name") or metric["type"]).lower())
        if not abs(float(metric["value"]) - recorded.get(name, float("nan"))) <= TOLERANCE:
            yield f"README.md says {name} {metric['value']}, results.json {recorded.get(name)}."


def _compare_predictions(results: dict[str, Any], replayed: list[dict[str, Any]]) -> Iterator[str]:
    for row, again in zip(results.get("predictions", []), replayed, strict=True):
        said, found = ([*numbers["logits"], *numbers["attentions"]] for numbers in (row, again))
        if len(said) != len(found) or not all(abs(x - y) <= TOLERANCE for x, y in zip(said, found, strict=True)):
            yield f"The model's answer to {row['text'][:40]!r} is not the recorded one."


def _replay_with_own_code(folder: Path, results: dict[str, Any]) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not re.search("TOKEN|KEY|SECRET|PASS", name.upper())}
    command = [sys.executable, "-P", "-c", STRANGER, str(folder.resolve())]
    environment = kept | {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    done = run(command, stdin=DEVNULL, capture_output=True, text=True, env=environment)
    if done.returncode:
        return [f"The folder's own code fails: {done.stderr.strip().splitlines()[-1]}"]
    differences = _compare_predictions(results, json.loads(done.stdout.splitlines()[-1]))
    return [f"{difference} (Read by the folder's own code.)" for difference in differences]


def build_space(model: str, folder: str | Path, *, revision: str | None = None) -> None:
    """Write a Gradio Space that shows what a model reads: app.py, README.md and requirements.txt.

    The Space installs this version of the package and reads the model with its classes.

    Args:
        model: A repository on the Hub, or a model folder, with which the Space runs on this machine alone.
        revision: The commit that the Space runs, whatever comes later; by default the last one, which the Hub is asked.

    Raises FileExistsError if there is such a folder, and OSError if the Hub lacks the repository or cannot be reached.
    """
    from huggingface_hub import HfApi

    if Path(model).is_dir():
        model = Path(model).resolve().as_posix()
    else:
        revision = revision or HfApi().model_info(model).sha
    values = {"model": model, "revision": revision or "", "title": Path(model).name, "version": __version__}
    Path(folder).mkdir(parents=True)
    for path in (PACKAGE / "space").glob("*.*"):
        text = re.sub(r"{{ (\w+) }}", lambda match: values[match[1]], path.read_text(encoding="utf-8"))
        (Path(folder) / path.name).write_text(text, encoding="utf-8")
