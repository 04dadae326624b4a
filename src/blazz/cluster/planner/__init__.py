"""The capacity planner: from a number of sessions to instances, machines and money, by measured figures."""

from blazz.cluster.planner.plan import Plan, Request, plan
from blazz.cluster.planner.render import render

__all__ = ["Plan", "Request", "plan", "render"]
