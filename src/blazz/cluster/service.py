"""What other rooms may ask of the cluster: membership, ownership, and what has moved."""

from __future__ import annotations

from blazz.cluster.assignment import (
    Assignment,
    HandOver,
    PlaceTaken,
    choose_instance,
    hand_over,
    note_connected,
    place,
    running_on,
    want_running,
    want_stopped,
)
from blazz.cluster.assignment import of_account as assignment
from blazz.cluster.membership import (
    TOPIC,
    Figures,
    Instance,
    Member,
    Registration,
    Renewal,
    all_instances,
    find,
    register,
    rejoin,
    release,
    renew,
    sign_off,
)
from blazz.cluster.placement import Placement
from blazz.cluster.processes import live_roles

__all__ = [
    "TOPIC",
    "Assignment",
    "Figures",
    "HandOver",
    "Instance",
    "Member",
    "PlaceTaken",
    "Placement",
    "Registration",
    "Renewal",
    "all_instances",
    "assignment",
    "choose_instance",
    "find",
    "hand_over",
    "live_roles",
    "note_connected",
    "place",
    "register",
    "rejoin",
    "release",
    "renew",
    "running_on",
    "sign_off",
    "want_running",
    "want_stopped",
]
