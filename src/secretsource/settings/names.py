"""Sources that go by a field's names: the environment and `.env` files.

pydantic-settings' own environment source finds the names, joins nested ones and decodes JSON, so that prefix, aliases,
delimiter and case mean what they mean there. What it works out anew for each field at each load is kept by class.
"""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, AliasPath
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from secretsource.backends.env import as_given
from secretsource.document import ABSENT, NotAnObject, as_text, enter, natural, parse_json
from secretsource.errors import InvalidSecret
from secretsource.question import POINTER, Verbatim, WholePointer
from secretsource.settings.models import FILE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

    from secretsource.ref import Ref
    from secretsource.settings.leaves import Leaf, Place


class _Shape(NamedTuple):
    """What pydantic-settings has to know of a field, worked out once."""

    names: Sequence[tuple[str, str, bool]]  # key, variable, whether it is JSON
    inside: Sequence[Place]  # for each of the names, where in its value the field's own is
    plain: bool  # its text is its value


_shapes: WeakKeyDictionary[type[BaseSettings], dict[tuple[object, ...], dict[str, _Shape]]] = WeakKeyDictionary()


class Names(EnvSettingsSource):
    """One load's view of a set of variables.

    Args:
        like: The class's environment source, as pydantic-settings made it: with its prefix, delimiter, case.
        leaves: The class's leaves by path.
        variables: The variables' texts, by name as they are.
        ref: The ref of a variable, for showing where a value came from.
        read_file: Reads the file that an `X_FILE` variable names; None where that convention does not hold.
    """

    def __init__(
        self,
        like: EnvSettingsSource,
        leaves: Mapping[tuple[str, ...], Leaf],
        variables: Mapping[str, str | None],
        ref: Callable[[str], Ref],
        read_file: Callable[[str], object] | None = None,
    ) -> None:
        self.__dict__.update(like.__dict__)
        self._leaves, self._ref, self._read_file = leaves, ref, read_file
        self.env_vars = parse_env_vars(variables, self.case_sensitive, self.env_ignore_empty, self.env_parse_none_str)
        self._shape_of = _shapes.setdefault(self.settings_cls, {}).setdefault(self._variant(), {})
        self._found: dict[str, tuple[Ref, object]] = {}
        self._in_files: set[str] = set()
        self._pointers: dict[str, str] = {}
        self._spelt = {} if self.case_sensitive else {name.lower(): name for name in variables}

    def _variant(self) -> tuple[object, ...]:
        """What the shapes depend on, beside the class."""
        return (
            self.case_sensitive,
            self.env_prefix,
            self.env_prefix_target,
            self.env_nested_delimiter,
            self.env_parse_none_str,
            self.env_parse_enums,
        )

    def find(self, path: tuple[str, ...]) -> tuple[Ref, object]:
        """Where a leaf is or would be, and its value or ABSENT.

        Raises:
            InvalidSecret: There is something, and it cannot be read.
        """
        name = path[0]
        if len(path) == 1:
            return self._find_field(name)
        if name not in self._found:
            self._found[name] = self._find_field(name)
        ref, value = self._found[name]
        if _is_pointer(value) or name in self._in_files:  # nested variables beside it still count
            beside = self._inside(path, self._nested(name))
            if beside[1] is not ABSENT:
                return beside
        from_variable, found = self._inside(path, value)
        if (around := self._pointer_around(path, found)) is not None:
            return around
        if found is ABSENT:
            return self._find_nested_file(from_variable, path) or (from_variable, ABSENT)
        return ref if name in self._in_files else from_variable, found

    def _inside(self, path: tuple[str, ...], value: object) -> tuple[Ref, object]:
        """Where a leaf is in the value of the outermost model that it is in."""
        for depth, keys in enumerate(self._leaf_at(path).keys[1 : len(path)], 1):
            fault: InvalidSecret | None = None
            if _is_pointer(value):
                return self._nested_ref(path[:depth]), WholePointer.at(depth, str(value))
            if value is ABSENT:
                break
            try:
                _, value = enter(value, keys)
            except InvalidSecret as error:
                fault, value = error, ABSENT
            judged_from = self._leaf_at(path).judged_from
            is_judged = isinstance(fault, NotAnObject) and judged_from is not None and depth >= judged_from
            if fault is not None and not is_judged:
                raise InvalidSecret(fault.args[0], ref=self._nested_ref(path[:depth]))
        return self._nested_ref(path) if value is ABSENT else self._set_ref(path), value

    def _pointer_around(self, path: tuple[str, ...], found: object) -> tuple[Ref, object] | None:
        """The variable of a model further in that is a pointer, unless one of still further in has the leaf."""
        for depth in range(len(path), 1, -1):
            variable = self._nested_variable(path[:depth])
            if variable in self._pointers:
                return self._variable_ref(variable), WholePointer.at(depth, self._pointers[variable])
            if found is not ABSENT and variable in self.env_vars:
                break
        return None

    def _leaf_at(self, path: tuple[str, ...]) -> Leaf:
        """The leaf of a path, or one of those of the model that it leads to."""
        return self._leaves.get(path) or next(leaf for leaf in self._leaves.values() if leaf.path[: len(path)] == path)

    def _find_field(self, name: str) -> tuple[Ref, object]:
        shape = self._shape_of.get(name) or self._learn(name)
        for index, (_, variable, is_json) in enumerate(shape.names):
            text = self.env_vars.get(variable)
            if text is not None:
                if shape.plain or text.startswith(POINTER):
                    return self._variable_ref(variable), text if text.isascii() else as_given(text)
                value = self._prepare(name, text, variable, is_json=is_json)
                return self._variable_ref(variable), _inside(value, shape.inside[index])
        _, variable, is_json = shape.names[-1]
        if self._read_file is not None and (from_file := self._find_file(name, shape)) is not None:
            return from_file
        value = ABSENT if shape.plain else self._prepare(name, None, variable, is_json=is_json)
        return self._variable_ref(shape.names[0][1]), _inside(value, shape.inside[-1])

    def _learn(self, name: str) -> _Shape:
        info = self.settings_cls.model_fields[name]
        names = tuple(self._extract_field_info(info, name))
        never_json = not any(is_json for *_, is_json in names) and not self._field_is_complex(info)[0]
        untouched = _is_bare(info.annotation) and not (self.config.get("strict") or self.env_parse_enums)
        plain = never_json and untouched and self.env_parse_none_str is None
        self._shape_of[name] = shape = _Shape(names, _insides(info, len(names)), plain)
        return shape

    def _prepare(self, name: str, text: str | None, variable: str, *, is_json: bool) -> object:
        """A field's value as pydantic-settings makes it out of variables: JSON decoded, nested names joined."""
        info, fault = self.settings_cls.model_fields[name], False
        value: Any = None
        try:
            value = self.prepare_field_value(name, info, text, is_json)
        except (ValueError, RecursionError):  # its context holds the text: it ends here
            fault = True
        if fault:
            msg = "the field takes JSON, and the text is not JSON that can be read"
            raise InvalidSecret(msg, ref=self._variable_ref(variable))
        if value is None:
            return ABSENT
        return self._restored(info, value)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON decoded as pydantic-settings does it; a pointer in its place stays one."""
        return value if _is_pointer(value) else super().decode_complex_value(field_name, field, value)

    def _nested(self, name: str) -> object:
        info = self.settings_cls.model_fields[name]
        return self._restored(info, self.explode_env_vars(name, info, self.env_vars))

    def _restored(self, info: FieldInfo, value: Any) -> object:
        if self.env_parse_none_str is not None:
            value = self._replace_env_none_type_values({"value": value})["value"]
        if isinstance(value, dict) and not self.case_sensitive:
            return self._replace_field_names_case_insensitively(info, value)
        return value

    def explode_env_vars(self, field_name: str, field: FieldInfo, env_vars: Mapping[str, str | None]) -> dict[str, Any]:
        """Join nested variables, looking only at those that begin as the field's names do."""
        if not self.env_nested_delimiter:
            return {}
        heads = tuple(variable + self.env_nested_delimiter for _, variable, _ in self._shape_names(field_name, field))
        own = {name: text for name, text in env_vars.items() if name.startswith(heads)}
        if (field_name,) in self._leaves:
            self._refuse_pointers(own)
        pointers = {name: text for name, text in own.items() if text and text.startswith(POINTER)}
        if pointers:  # below a text there would be no room for the variables beside it
            paths = [path for path in self._leaves if path[0] == field_name]
            models = {self._nested_variable(path[:depth]) for path in paths for depth in range(2, len(path))}
            self._pointers |= {name: text for name, text in pointers.items() if name in models}
            own = {name: text for name, text in own.items() if name not in self._pointers}
        return super().explode_env_vars(field_name, field, own) if own else {}

    def _refuse_pointers(self, variables: Mapping[str, str | None]) -> None:
        """A field that is found as a whole has no parts that could be found elsewhere."""
        pointer = next((name for name, text in variables.items() if text and text.startswith(POINTER)), None)
        if pointer is not None:
            msg, hint = (
                "a pointer cannot stand for a part of this field",
                "let the field's own variable point to all of it",
            )
            raise InvalidSecret(msg, hint=hint, ref=self._variable_ref(pointer))

    def _shape_names(self, name: str, info: FieldInfo) -> Sequence[tuple[str, str, bool]]:
        shape = self._shape_of.get(name)
        return shape.names if shape is not None else self._extract_field_info(info, name)

    def _find_file(self, name: str, shape: _Shape) -> tuple[Ref, object] | None:
        """`X_FILE` names a file that holds the value of X, unless it is a field's own variable."""
        assert self._read_file is not None  # noqa: S101 - for mypy; the caller has looked
        for _, variable, _ in shape.names:
            file_variable = variable + self._apply_case_sensitive(FILE_SUFFIX)
            path = self.env_vars.get(file_variable)
            if path and not self._is_a_fields_own(file_variable):
                ref = self._variable_ref(file_variable)
                self._in_files.add(name)
                return ref, self._fitted((name,), self._read_file(path), ref)
        return None

    def _find_nested_file(self, ref: Ref, path: tuple[str, ...]) -> tuple[Ref, object] | None:
        """The same for a leaf of a model."""
        variable = self._apply_case_sensitive((ref.key or ref.location) + FILE_SUFFIX)
        file = self.env_vars.get(variable) if self._read_file is not None else None
        if not file or self._read_file is None or (*path[:-1], path[-1] + FILE_SUFFIX.lower()) in self._leaves:
            return None
        file_ref = self._variable_ref(variable)
        return file_ref, self._fitted(path, self._read_file(file), file_ref)

    def _fitted(self, path: tuple[str, ...], raw: object, ref: Ref) -> object:
        """What a file holds, as the field takes it; the JSON of a whole model as it is."""
        leaf, fault = self._leaves.get(path), ""
        value: Any = None
        try:
            value = natural(parse_json(as_text(raw))) if leaf is None else leaf.fit(raw)
        except InvalidSecret as error:
            fault = error.args[0]
        if fault:
            raise InvalidSecret(fault, ref=ref)
        return Verbatim(value) if isinstance(value, str) and value.startswith(POINTER) else value

    def _is_a_fields_own(self, variable: str) -> bool:
        shapes = (self._shape_of.get(name) or self._learn(name) for name in self.settings_cls.model_fields)
        return any(variable == other for shape in shapes for _, other, _ in shape.names)

    def _variable_ref(self, variable: str) -> Ref:
        return self._ref(variable if self.case_sensitive else self._spelt.get(variable.lower(), variable.upper()))

    def _nested_ref(self, path: tuple[str, ...]) -> Ref:
        """The variable of a part of a model."""
        return self._variable_ref(self._nested_variable(path))

    def _set_ref(self, path: tuple[str, ...]) -> Ref:
        """The variable that a part of a model came out of: its own, or one with the JSON of a model around it."""
        variables = [self._nested_variable(path[:depth]) for depth in range(len(path), 0, -1)]
        return self._variable_ref(next((name for name in variables if name in self.env_vars), variables[0]))

    def _nested_variable(self, path: tuple[str, ...]) -> str:
        variable = (self._shape_of.get(path[0]) or self._learn(path[0])).names[0][1]
        return self._apply_case_sensitive((self.env_nested_delimiter or "__").join([variable, *path[1:]]))


def _is_pointer(value: object) -> bool:
    return isinstance(value, str) and value.startswith(POINTER)


def _inside(value: object, place: Place) -> object:
    """What is at an alias' path inside a value, or ABSENT."""
    for key in place:
        if isinstance(value, list) and isinstance(key, int):
            value = value[key] if -len(value) <= key < len(value) else ABSENT
        else:
            value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def _insides(info: FieldInfo, count: int) -> Sequence[Place]:
    alias = info.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    paths = [tuple(choice.path[1:]) if isinstance(choice, AliasPath) else () for choice in choices]
    return [*paths, *[()] * count][:count]


def _is_bare(annotation: object) -> bool:
    """Whether it is a class, or a union of classes: nothing for which pydantic-settings converts text beforehand."""
    union = get_origin(annotation) in (Union, UnionType)
    return all(isinstance(member, type) for member in (get_args(annotation) if union else [annotation]))
