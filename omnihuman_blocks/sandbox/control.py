"""`/control`: switchboard, settings and counts over HTTP, for anybody on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from omnihuman_blocks.sandbox.answers import Answer, Door, Instead, Json, read_json
from omnihuman_blocks.sandbox.counts import count
from omnihuman_blocks.sandbox.desk import Desk
from omnihuman_blocks.sandbox.faults import Rule, read_rules


@dataclass(frozen=True)
class Control:
    """What only the sandbox has."""

    desk: Desk
    reset: Callable[[], None]

    def routes(self) -> list[BaseRoute]:
        """Each table of the switchboard."""
        faults, one = "/control/faults", "/control/faults/{rule_id}"
        return [
            Route("/control/counts", Door(self.counts), methods=["GET"]),
            Route("/control/reset", Door(self.forget), methods=["POST"]),
            Route("/control/settings", Door(self.settings), methods=["GET", "PUT", "PATCH"]),
            Route(faults, Door(self.list_rules), methods=["GET"]),
            Route(faults, Door(self.replace_rules), methods=["PUT"]),
            Route(faults, Door(self.add_rule), methods=["POST"]),
            Route(faults, Door(self.clear_rules), methods=["DELETE"]),
            Route(one, Door(self.change_rule), methods=["PUT"]),
            Route(one, Door(self.remove_rule), methods=["DELETE"]),
        ]

    async def counts(self, _request: Request) -> Answer:
        """GET /control/counts"""
        return Answer(body=count(self.desk).document())

    async def forget(self, _request: Request) -> Answer:
        """POST /control/reset: no jobs, no counts, no faults; settings and media stay."""
        self.reset()
        return Answer(body={"reset": True})

    async def settings(self, request: Request) -> Answer:
        """GET, or PUT a partial document."""
        if request.method != "GET":
            changes = await _document(request)
            if not isinstance(changes, dict):
                raise Instead(_wrong("Send a JSON object with the settings to change."))
            try:
                self.desk.settings.change(changes)
            except ValidationError as error:
                raise Instead(_invalid(error)) from error
            self.desk.engine.advance()
        return Answer(body=self.desk.settings.model_dump(mode="json"))

    async def list_rules(self, _request: Request) -> Answer:
        """GET /control/faults"""
        happened = self.desk.faults.happened()
        rules = [_shown(rule) | {"happened": happened[rule.id]} for rule in self.desk.faults.rules]
        return Answer(body={"rules": rules})

    async def replace_rules(self, request: Request) -> Answer:
        """PUT /control/faults: these rules and no others."""
        document = await _document(request)
        try:
            self.desk.faults.replace(read_rules(document))
        except ValidationError as error:
            raise Instead(_invalid(error)) from error
        return await self.list_rules(request)

    async def add_rule(self, request: Request) -> Answer:
        """POST /control/faults: one more rule, or a list of them."""
        document = await _document(request)
        listed = document if isinstance(document, list) else [document]
        try:
            added = [self.desk.faults.add(rule) for rule in read_rules(listed)]
        except ValidationError as error:
            raise Instead(_invalid(error)) from error
        shown = [_shown(rule) for rule in added]
        return Answer(status=201, body=shown if isinstance(document, list) else shown[0])

    async def change_rule(self, request: Request) -> Answer:
        """PUT /control/faults/ID: the rule with this id, new or replaced."""
        document = await _document(request)
        if not isinstance(document, dict):
            raise Instead(_wrong("Send a JSON object with the rule."))
        try:
            rule = Rule.model_validate({**document, "id": request.path_params["rule_id"]})
        except ValidationError as error:
            raise Instead(_invalid(error)) from error
        return Answer(body=_shown(self.desk.faults.add(rule)))

    async def remove_rule(self, request: Request) -> Answer:
        """DELETE /control/faults/ID"""
        gone = self.desk.faults.remove(request.path_params["rule_id"])
        return Answer(status=200 if gone else 404, body={"removed": gone})

    async def clear_rules(self, _request: Request) -> Answer:
        """DELETE /control/faults"""
        self.desk.faults.clear()
        return Answer(body={"rules": []})


def _shown(rule: Rule) -> dict[str, Json]:
    return rule.model_dump(mode="json", exclude_defaults=True) | {
        "id": rule.id,
        "effect": rule.effect.model_dump(mode="json"),
    }


async def _document(request: Request) -> Json:
    try:
        return await read_json(request)
    except ValueError as error:
        raise Instead(_wrong(f"The body is not JSON: {error}")) from error


def _invalid(error: ValidationError) -> Answer:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return Answer(status=400, body={"error": "Not understood.", "problems": problems})


def _wrong(said: str) -> Answer:
    return Answer(status=400, body={"error": said})
