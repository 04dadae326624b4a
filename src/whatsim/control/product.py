"""A switch for the program under trial: the page can stop and start it, to show that nothing is lost meanwhile."""

from __future__ import annotations

from typing import Literal, Protocol

from fastapi import APIRouter, Request
from pydantic import BaseModel

from whatsim.control.errors import ControlError

ProductState = Literal["running", "stopped", "starting"]


class ProductSwitch(Protocol):
    """What the control server needs to know of the program that it can stop and start.

    `stop` and `start` return once the change has been made or begun; `state` is asked often and must answer quickly.
    """

    async def state(self) -> ProductState: ...

    async def stop(self) -> None: ...

    async def start(self) -> None: ...


class ProductView(BaseModel):
    """The program's state, or `available: false` when this server was given no switch."""

    available: bool
    state: ProductState | None = None


class ProductAction(BaseModel, extra="forbid"):
    """What to do with the program."""

    action: Literal["stop", "start"]


router = APIRouter(tags=["product"])


def _switch(request: Request) -> ProductSwitch | None:
    switch: ProductSwitch | None = request.app.state.product
    return switch


@router.get("/product", summary="State of the program under trial")
async def get_product(request: Request) -> ProductView:
    switch = _switch(request)
    if switch is None:
        return ProductView(available=False)
    return ProductView(available=True, state=await switch.state())


@router.post("/product", summary="Stop or start the program under trial")
async def set_product(request: Request, body: ProductAction) -> ProductView:
    switch = _switch(request)
    if switch is None:
        raise ControlError(409, "no_product_switch", "This network was started without a program that it can stop.")
    await (switch.stop() if body.action == "stop" else switch.start())
    return ProductView(available=True, state=await switch.state())
