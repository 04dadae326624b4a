"""What every HTTP endpoint shares: models, problem details, cursors, dependencies, middleware."""

from blazz.kit.http.cursors import decode_cursor, encode_cursor
from blazz.kit.http.dependencies import (
    CommandsDep,
    CursorParam,
    DatabaseDep,
    LimitParam,
    MediaStoreDep,
    NetworkDep,
    SecretBoxDep,
    SettingsDep,
)
from blazz.kit.http.models import Model, Page, RequestModel
from blazz.kit.http.network import NetworkInfo
from blazz.kit.http.problems import PROBLEM_JSON, Problem, problem_response, problems

__all__ = [
    "PROBLEM_JSON",
    "CommandsDep",
    "CursorParam",
    "DatabaseDep",
    "LimitParam",
    "MediaStoreDep",
    "Model",
    "NetworkDep",
    "NetworkInfo",
    "Page",
    "Problem",
    "RequestModel",
    "SecretBoxDep",
    "SettingsDep",
    "decode_cursor",
    "encode_cursor",
    "problem_response",
    "problems",
]
