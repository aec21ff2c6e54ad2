"""`hf-lstm-attn train`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import (
    UsageError,
    add_data_options,
    add_recipe_options,
    build_recipe,
    data_choices,
    given,
    positive_int,
    print_result,
    warn,
)
from .push import describe_push, push_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", help="imdb, tweets, sample-reviews or sample-tweets")
    parser.add_argument("-o", "--output-dir", type=Path, help="run folder (default: runs/<data set>)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace a run")
    parser.add_argument("--json", action="store_true", help="print results.json instead of a table")
    add_data_options(parser)
    parser.add_argument("--license", help="of data of your own, as the Hub names it (mit, cc-by-4.0); a card needs it")
    parser.add_argument("--limit", type=positive_int, metavar="ROWS", help="at most so many rows per split, to try out")
    add_recipe_options(parser)
    parser.add_argument(
        "--ngrams",
        action=argparse.BooleanOptionalAction,
        help="whether words, pairs and triples of words vote beside the network (default: as the recipe says)",
    )
    parser.add_argument(
        "--init-from",
        metavar="FOLDER",
        help="start from the vocabulary, embedding and LSTMs that pretrain left there, or train, with its pooling",
    )
    parser.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="MODEL",
        help="learn the class probabilities of this model too, on unlabelled texts as well: a folder or Hub id of any "
        "text classifier, a built-in model, or nb-svm; given several times, they are averaged",
    )
    group = parser.add_argument_group("Hub")
    group.add_argument("--push-to-hub", action="store_true", help="push the run when it is finished")
    group.add_argument("--repo-id", metavar="NAME/MODEL", help="repository to push to; created if there is none")
    group.add_argument("--private", action="store_true", help="create the repository private")


def run(options: argparse.Namespace) -> None:
    """Train a model, evaluate it once on the test split, and leave a run folder that from_pretrained loads."""
    from dataclasses import replace

    from .. import training
    from ..data import resolve_spec
    from ..hub import HubError, check_can_push

    if options.push_to_hub != (options.repo_id is not None):
        raise UsageError("Expected --push-to-hub and --repo-id together; found one of them. Pass both or none.")
    if options.push_to_hub:
        check_can_push(options.repo_id)
    if options.init_from is not None and options.word_vectors is not None:
        raise UsageError("Expected --init-from or --word-vectors; found both. Pass one of them.")
    spec = resolve_spec(options.dataset, **data_choices(options), license=options.license)
    output_dir = options.output_dir or Path("runs") / spec.name
    result = training.train(
        spec,
        output_dir,
        recipe=replace(
            build_recipe(options),
            init_from=options.init_from,
            teachers=tuple(options.teacher),
            **given({"ngrams": options.ngrams}),
        ),
        protocol=options.protocol,
        seed=options.seed,
        limit=options.limit,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    if options.json:
        print((output_dir / "results.json").read_text(encoding="utf-8"), end="")
    else:
        print_result(result, output_dir)
    if options.push_to_hub:
        try:
            pushed, _ = push_run(output_dir, options.repo_id, private=options.private)
        except HubError as error:
            raise HubError(
                f"{error} The run is finished: hf-lstm-attn push {output_dir} --repo-id {options.repo_id}"
            ) from error
        (warn if options.json else print)(f"\n{describe_push(pushed)}")
