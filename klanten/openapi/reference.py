"""What every part of the document is made of: JSON objects, and references between them."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def ref(kind: str, name: str | int) -> Json:
    """A reference to a component (OpenAPI 3.0.0, Reference Object)."""
    return {"$ref": f"#/components/{kind}/{name}"}


def given(facts: Json) -> Json:
    """The facts that there are: those that are not None."""
    return {name: fact for name, fact in facts.items() if fact is not None}


def explained(description: str, meanings: Mapping[str, str]) -> str:
    """A description, followed by what each value means; Markdown."""
    if not meanings:
        return description
    lines = "\n".join(f"- `{value}`: {meaning}" for value, meaning in meanings.items())
    return f"{description}\n\nDe waarden:\n\n{lines}"
