"""Where things are in the work tree. Every other module of the set-up takes its paths from here."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
STAMPS = BUILD / "stamps"
LOG = BUILD / "setup.log"
LOCK = BUILD / "setup.lock"
TOOL_BIN = BUILD / "bin"
NODE_BIN = BUILD / "node"
ENGINE_BINARY = BUILD / "blazz-engine"

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"

ENGINE_HOST = ROOT / "engine-host"
PROTO = ROOT / "proto"
GENERATED_PYTHON = ROOT / "src" / "blazz" / "_generated"
GENERATED_DICTIONARY = ROOT / "src" / "whatsim" / "_generated" / "tokens.json"
GENERATED_GO = ENGINE_HOST / "internal" / "enginepb"
WEB = ROOT / "web"
SECOND_CLIENT = ROOT / "tests" / "interop" / "baileys"
OPENAPI = WEB / "openapi.json"
