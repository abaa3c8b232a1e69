"""An Autorisaties API 1.0.0, as far as providers ask it something."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from .server import Asked, Handler, Neighbour, Wrong


class Autorisaties(Neighbour):
    """Holds `applicaties`: add some with `register`, change them at will."""

    routes = {("GET", "/applicaties"): "applicatie_list"}

    def __init__(self) -> None:
        super().__init__()
        self.applicaties: list[dict[str, Any]] = []
        self.page_size = 100

    def register(
        self,
        *client_ids: str,
        scopes: str | None = None,
        component: str = "kc",
        label: str = "Een applicatie",
    ) -> dict[str, Any]:
        """Register an Applicatie: it may do these scopes in a component, or without them all."""
        uuid = uuid4()
        applicatie = {
            "url": f"{self.api_root}/applicaties/{uuid}",
            "clientIds": list(client_ids),
            "label": label,
            "heeftAlleAutorisaties": scopes is None,
            "autorisaties": [] if scopes is None else [autorisatie(scopes, component)],
        }
        self.applicaties.append(applicatie)
        return applicatie

    def asked_about(self, client_id: str) -> int:
        """How many calls there were about a client."""
        return sum(("clientIds", client_id) in asked.params for asked in self.asked)

    def applicatie_list(self, asked: Asked, handler: Handler) -> None:
        """The operation of that name."""
        params = dict(asked.params)
        if (
            not asked.params
            or set(params) - {"clientIds", "page"}
            or len(params) < len(asked.params)
        ):
            raise Wrong(400, f"the parameters are wrong: {asked.params}")
        if asked.body or "json" not in asked.headers.get("Accept", "json"):
            raise Wrong(400, "a body, or no JSON wanted")
        found = [one for one in self.applicaties if params["clientIds"] in one["clientIds"]]
        handler.reply(200, self._page(found, params["clientIds"], int(params.get("page", 1))))

    def _page(self, found: Any, client_id: str, number: int) -> dict[str, Any]:
        start, end = (number - 1) * self.page_size, number * self.page_size
        return {
            "count": len(found),
            "next": self._link(client_id, number + 1) if end < len(found) else None,
            "previous": self._link(client_id, number - 1) if start else None,
            "results": found[start:end],
        }

    def _link(self, client_id: str, number: int) -> str:
        query = urlencode({"clientIds": client_id, "page": number})
        return f"{self.api_root}/applicaties?{query}"


def autorisatie(scopes: str, component: str = "kc") -> dict[str, Any]:
    """Scopes in a component."""
    return {"component": component, "componentWeergave": component, "scopes": scopes.split()}
