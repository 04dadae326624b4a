"""The control API of the simulated network: create phones, link clients, converse, break things, watch."""

from __future__ import annotations

from whatsim.control.app import create_app
from whatsim.control.product import ProductState, ProductSwitch
from whatsim.control.server import ControlServer

__all__ = ["ControlServer", "ProductState", "ProductSwitch", "create_app"]
