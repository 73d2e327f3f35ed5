from pathlib import Path

import msgspec
import pytest

from wonderzoom.generation.models import workbench
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import (
    ADAPTERS,
    BadRecipe,
    adapter_class,
    read_options,
    references,
)


def test_every_adapter_can_be_found_and_has_options_with_defaults_but_for_its_models() -> None:
    for stage, known in ADAPTERS.items():
        for name in known:
            kind = adapter_class(stage, name)
            assert issubclass(kind.Options, msgspec.Struct), (stage, name)
            required = {
                field.name
                for field in msgspec.structs.fields(kind.Options)
                if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
            }
            table = {field: {"path": "x"} for field in required}
            options = read_options(stage, name, table)
            assert set(references(options)) >= required, (stage, name)


def test_an_unknown_adapter_is_refused_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(workbench.ADAPTERS, "describe", {"eye": "errors:ModelUnavailable"})
    with pytest.raises(BadRecipe, match="describe: there is no adapter 'ear'; there is: embedded, eye"):
        adapter_class("describe", "ear")
    with pytest.raises(BadRecipe, match="there is: embedded$"):
        adapter_class("juggle", "ear")


class Eye:
    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        steps: int = 4


def test_options_are_read_with_an_error_that_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workbench, "adapter_class", lambda _stage, _name: Eye)
    options = read_options("describe", "eye", {"model": {"path": str(tmp_path)}, "steps": 2})
    assert options == Eye.Options(model=ModelReference(path=str(tmp_path)), steps=2)
    assert references(options) == {"model": ModelReference(path=str(tmp_path))}
    for table, said in (
        ({}, "missing required field `model`"),
        ({"model": {"path": "x"}, "step": 2}, "unknown field `step`"),
        ({"model": {"repo": "acme/eye", "revision": "main"}}, "is not a commit"),
    ):
        with pytest.raises(BadRecipe, match=f"describe, adapter eye: .*{said}"):
            read_options("describe", "eye", table)
