"""YAML as people write it: a mistake in it is one sentence, with its line."""

from typing import Any

import yaml
from yaml.constructor import ConstructorError

from towerflow.errors import InputError, shortened


def read_document(content: str | bytes, where: object) -> Any:
    """The one YAML document in `content`, which is UTF-8 if it is bytes.

    Raises:
        InputError: it is no YAML, has a key twice, or a value that nobody can use; it names `where`
            and the line.
    """
    try:
        loader = _Loader(content)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line, found = _line(error), _in_words(error)
    except yaml.YAMLError as error:  # bytes or characters that YAML does not have
        line, found = "", str(error)
    except RecursionError:
        line, found = "", "lists or mappings that are nested too deeply"
    raise InputError(where, field=line, expected="YAML", found=shortened(found))


class _Loader(yaml.SafeLoader):
    """A SafeLoader that takes each key once, and tells where a value is wrong."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Here rather than when it is constructed: merged keys (`<<`) may come twice then."""
        node = super().compose_mapping_node(anchor)
        keys = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # which no mapping of Python's could have
            if (key.tag, key.value) in keys:
                raise ConstructorError(
                    None, None, f"the key '{key.value}' a second time", key.start_mark
                )
            keys.add((key.tag, key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """What `node` stands for; the constructors raise all sorts, as for 2026-02-30 or 0x_."""
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep)
        try:
            value = super().construct_object(node, deep)
            str(value).encode()  # neither halves of characters nor numbers too long to print
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            raise ConstructorError(
                None, None, f"a value that cannot be read: {error}", node.start_mark
            ) from None
        return value


def _line(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}" if mark else ""


def _in_words(error: yaml.MarkedYAMLError) -> str:
    """Its own text quotes the lines around, in which a secret may stand."""
    words = ", ".join(part for part in (error.context, error.problem) if part)
    return words.removeprefix("found ")
