"""What a Prefect server does by itself about catalogues that run on schedules.

Written as code, so that they are reviewed, and installed as often as you like: each has a name, is
made where there is none of this name, and else becomes what is written here.

A flow run that does not end well has a state of its own name (`RowsFailed`, `Stopped`, `InDoubt`,
`CannotStart`), and Prefect calls the event after the name: `prefect.flow-run.RowsFailed`. Whoever
waits for `prefect.flow-run.Failed` alone never hears of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events import AutomationCore, EventTrigger, Posture, ResourceSpecification
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.exceptions import ObjectNotFound

from omnihuman_blocks.catalogue.events import BUDGET_REACHED, PURCHASE_IN_DOUBT
from omnihuman_blocks.catalogue.making import CANNOT_START, STATE_NAMES
from omnihuman_blocks.domain.summary import EXIT_ROWS_FAILED
from omnihuman_blocks.errors import CannotStart

ENDED_BADLY = (*STATE_NAMES.values(), CANNOT_START, "Failed", "Crashed", "TimedOut")
HEARTBEATS_MISSED = 3
SILENT_FOR = timedelta(seconds=180 * HEARTBEATS_MISSED)
"""Prefect's default heartbeat comes every 180 seconds; one that is late means nothing."""

NOTIFY_RUNS = "omnihuman: a run did not end well"
NOTIFY_MONEY = "omnihuman: money needs a person"
RETRY = "omnihuman: retry failed rows once"
ZOMBIES = "omnihuman: a run has died without a word"

RUN_WORDS = """\
{{ flow_run.name }} ended {{ flow_run.state.name }}: {{ flow_run.state.message }}
Run: {{ flow_run|ui_url }}
"""
MONEY_WORDS = """\
{{ event.event }} in {{ event.resource.name }} ({{ event.resource['omnihuman.results'] }})
{{ event.payload }}
"""


def automations(
    *, generate: UUID, retry: UUID, watched: Iterable[UUID], notify: UUID | None = None
) -> list[AutomationCore]:
    """All of them. `generate`, `retry` and `watched` are deployments, `notify` is a block."""
    of_watched = _of_deployments(watched)
    found = [
        AutomationCore(
            name=RETRY,
            description="A second chance for rows that failed for nothing. It follows the "
            "catalogue's run and never the retry's own, so it cannot go round in circles.",
            trigger=EventTrigger(
                expect={_event(STATE_NAMES[EXIT_ROWS_FAILED])},
                match_related=_of_deployments([generate]),
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                RunDeployment(
                    deployment_id=retry,
                    parameters={"results": _template("{{ flow_run.parameters['results'] }}")},
                )
            ],
        ),
        zombies(of_watched),
    ]
    return found if notify is None else [*found, *_notifying(of_watched, notify)]


def zombies(
    of_watched: ResourceSpecification, silent_for: timedelta = SILENT_FOR
) -> AutomationCore:
    """Runs whose process has gone are said to have crashed. They have cost nothing by that: what
    was bought is in the ledger, and the next run goes on from there.
    """
    return AutomationCore(
        name=ZOMBIES,
        description="No heartbeat and no end: its process is gone. The next run goes on.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            # Anything that is heard of the run. A list of states would have to name ours, too, or
            # a run that ended `RowsFailed` would be taken for dead.
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=of_watched,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silent_for,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"Nothing was heard of it for {silent_for}. The ledger knows what was "
                "bought; the next run goes on from there.",
            )
        ],
    )


def _notifying(of_watched: ResourceSpecification, notify: UUID) -> list[AutomationCore]:
    return [
        AutomationCore(
            name=NOTIFY_RUNS,
            description="Rows failed, money stopped, purchases in doubt, or it broke down.",
            trigger=EventTrigger(
                expect={_event(name) for name in ENDED_BADLY},
                match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
                match_related=of_watched,
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                SendNotification(
                    block_document_id=notify,
                    subject="omnihuman: {{ flow_run.name }} ended {{ flow_run.state.name }}",
                    body=RUN_WORDS,
                )
            ],
        ),
        AutomationCore(
            name=NOTIFY_MONEY,
            description="While it is still running: a budget is used up, or an answer was lost.",
            trigger=EventTrigger(
                expect={BUDGET_REACHED, PURCHASE_IN_DOUBT},
                match=ResourceSpecification({"prefect.resource.id": ["omnihuman.catalogue.*"]}),
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                SendNotification(
                    block_document_id=notify,
                    subject="omnihuman: {{ event.event }}",
                    body=MONEY_WORDS,
                )
            ],
        ),
    ]


def install(wanted: Sequence[AutomationCore], client: SyncPrefectClient) -> dict[str, UUID]:
    """Makes or updates each by its name. Those of other names are left alone."""
    there = {
        automation.name: automation.id
        for one in wanted
        for automation in client.read_automations_by_name(one.name)
    }
    installed = {}
    for one in wanted:
        known = there.get(one.name)
        if known is None:
            known = client.create_automation(one)
        else:
            client.update_automation(known, one)
        installed[one.name] = known
    return installed


def install_for(
    *, generate: str, retry: str, others: Sequence[str] = (), notify: str | None = None
) -> dict[str, UUID]:
    """By the names of the deployments (`FLOW/DEPLOYMENT`) and of a notification block.

    Args:
        generate: The deployment that makes the catalogue.
        retry: The deployment that buys failed rows again.
        others: More deployments whose runs are watched.
        notify: A notification block, `TYPE-SLUG/NAME`; without one nobody is notified.
    """
    with get_client(sync_client=True) as client:
        ids = {name: _deployment(client, name) for name in (generate, retry, *others)}
        block = None if notify is None else _block(client, notify)
        wanted = automations(
            generate=ids[generate], retry=ids[retry], watched=ids.values(), notify=block
        )
        return install(wanted, client)


def _deployment(client: SyncPrefectClient, name: str) -> UUID:
    try:
        return client.read_deployment_by_name(name).id
    except (ObjectNotFound, ValueError) as error:
        raise CannotStart(
            f"There is no deployment {name!r} on this server. Deploy first, and look with: "
            "prefect deployment ls"
        ) from error


def _block(client: SyncPrefectClient, name: str) -> UUID:
    slug, _, block = name.partition("/")
    try:
        return client.read_block_document_by_name(block, slug).id
    except ObjectNotFound as error:
        raise CannotStart(
            f"There is no block {name!r} on this server. Write TYPE-SLUG/NAME, such as "
            "slack-webhook/night-watch, and look with: prefect block ls"
        ) from error


def _event(state_name: str) -> str:
    return f"prefect.flow-run.{state_name}"


def _of_deployments(deployments: Iterable[UUID]) -> ResourceSpecification:
    return ResourceSpecification(
        {
            "prefect.resource.role": "deployment",
            "prefect.resource.id": [f"prefect.deployment.{one}" for one in deployments],
        }
    )


def _template(text: str) -> dict[str, str]:
    """A parameter that the server writes when the automation fires."""
    return {"__prefect_kind": "jinja", "template": text}
