"""Every check by its name. A new concern is a module here and its lines below."""

from collections.abc import Iterator, Mapping

from infra.checks import (
    edge,
    environment,
    functions,
    handover,
    lint,
    node,
    parameters,
    permissions,
    policy_lint,
    queues,
    runbooks,
    schedules,
    storage,
    workflows,
)
from infra.checks.findings import Check, Finding
from infra.checks.tree import Tree

QUICK: Mapping[str, Check] = {
    "table": storage.table,
    "buckets": storage.buckets,
    "locks": storage.locks,
    "replication": storage.replication,
    "keys": storage.keys,
    "encrypted-in-transit": storage.encrypted_in_transit,
    "kept": storage.kept,
    "dead-letters": queues.dead_letters,
    "readers": queues.readers,
    "visibility": queues.visibility,
    "roles": functions.roles,
    "logs": functions.logs,
    "logs-of-machines": functions.logs_of_machines,
    "logs-of-api": functions.logs_of_api,
    "traces": functions.traces,
    "throttling": functions.throttling,
    "names": functions.names,
    "known-by-name": functions.known_by_name,
    "permissions-of-roles": permissions.of_roles,
    "permissions-of-resources": permissions.of_resources,
    "settings": environment.settings,
    "secrets": environment.secrets,
    "transitions": workflows.transitions,
    "error-names": workflows.error_names,
    "time-outs": workflows.time_outs,
    "substitutions": workflows.substitutions,
    "partitions": workflows.partitions,
    "statelint": workflows.statelint,
    "schedules": schedules.expressions,
    "backups": schedules.backups,
    "distributions": edge.distributions,
    "origins": edge.origins,
    "behaviors": edge.behaviors,
    "headers": edge.headers,
    "firewalls": edge.firewalls,
    "api-is-closed": edge.api_is_closed,
    "viewers-address": edge.viewers_address,
    "site-is-private": edge.site_is_private,
    "trail": edge.trail,
    "runbooks": runbooks.alarms,
    "handed-over": handover.parameters,
    "no-exports": handover.no_exports,
    "names-exist": handover.names_exist,
    "cycles": handover.cycles,
    "parameters": parameters.sound,
    "outputs": parameters.outputs,
    "environments-apart": parameters.apart,
    "prod": parameters.prod,
    "prod-survives": parameters.prod_survives,
}
"""Our own, a few milliseconds each."""
SLOW: Mapping[str, Check] = {
    "cfn-lint": lint.as_written,
    "cfn-lint-translated": lint.as_translated,
    "parliament": policy_lint.parliament,
    "asl-validator": node.asl_validator,
}
"""Other tools, seconds each."""


def findings(tree: Tree, checks: Mapping[str, Check]) -> Iterator[tuple[str, Finding]]:
    """What these checks find, each with the name of its check."""
    for name, check in checks.items():
        for finding in check(tree):
            yield name, finding
