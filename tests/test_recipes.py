from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from hf_lstm_attn import RECIPES
from hf_lstm_attn.recipes import RECIPE_DESCRIPTIONS, Recipe, describe_differences, find_recipe, list_settings


def test_every_recipe_is_described() -> None:
    assert list(RECIPE_DESCRIPTIONS) == list(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_is_known_by_its_recipe(name: str) -> None:
    recipe = RECIPES[name]
    assert find_recipe(asdict(recipe)) == name
    assert find_recipe(asdict(replace(recipe, init_from="runs/pretrained"))) == name
    assert find_recipe(asdict(replace(recipe, model=recipe.model | {"num_hidden_layers": 2}))) == name
    assert find_recipe(asdict(replace(recipe, arguments=recipe.arguments | {"learning_rate": 7.0}))) is None
    assert find_recipe(asdict(replace(recipe, architecture="lstm_attn_rnn"))) is None


def test_a_run_is_of_the_recipe_that_sets_most(monkeypatch: pytest.MonkeyPatch) -> None:
    sharp = replace(RECIPES["default"], adversarial_radius=0.03)
    monkeypatch.setitem(RECIPES, "sharp", sharp)
    assert find_recipe(asdict(sharp)) == "sharp"
    assert find_recipe(asdict(replace(sharp, adversarial_radius=0.05))) == "default"


def test_a_run_older_than_a_field_has_its_default() -> None:
    recorded = json.loads(json.dumps(asdict(RECIPES["report"])))
    del recorded["architecture"], recorded["adversarial_radius"]
    assert find_recipe(recorded) == "report"
    assert describe_differences(list_settings(recorded), list_settings(asdict(RECIPES["report"]))) == []


def test_differences_name_settings_and_hide_folders() -> None:
    base = list_settings(asdict(Recipe(model={"hidden_size": 64}, arguments={"learning_rate": 0.1})))
    recipe = Recipe(arguments={"learning_rate": 0.2}, word_vectors=None, init_from="/home/someone/pretrained")
    recipe = replace(recipe, teachers=("nb-svm", "/home/someone/teacher"))
    recorded = json.loads(json.dumps(asdict(recipe)))
    assert describe_differences(list_settings(recorded), base) == [
        "no `hidden_size`",
        "`learning_rate` 0.2",
        "no `word_vectors`",
        "`init_from` pretrained",
        "`teachers` nb-svm, teacher",
    ]
