"""Endpoints about phones: create, list, link and unlink devices, behaviour, connection."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from whatsim.control.schemas import Link, NewBehaviour, NewPhone, Number, Online, Unlink
from whatsim.control.views import Device, Phone, Phones
from whatsim.network import Network


def network_of(request: Request) -> Network:
    """Return the network that this application controls."""
    network: Network = request.app.state.network
    return network


Net = Annotated[Network, Depends(network_of)]

router = APIRouter(prefix="/phones", tags=["phones"])


@router.post("", status_code=201, summary="Create a phone")
async def create_phone(network: Net, body: NewPhone) -> Phone:
    return Phone.of(await network.create_phone(body.number, body.name))


@router.get("", summary="All phones")
async def list_phones(network: Net) -> Phones:
    return Phones(data=[Phone.of(view) for view in network.list_phones()])


@router.get("/{number}", summary="One phone")
async def get_phone(network: Net, number: Number) -> Phone:
    return Phone.of(network.get_phone(number))


@router.post("/{number}/link", status_code=201, summary="Link a device by its QR code or its 8-character code")
async def link(network: Net, number: Number, body: Link) -> Device:
    if body.qr is not None:
        return Device.of(await network.link_qr(number, body.qr))
    code = "".join(character for character in body.code or "" if character.isalnum()).upper()
    return Device.of(await network.link_code(number, code))


@router.post("/{number}/unlink", status_code=204, summary="Remove a linked device")
async def unlink(network: Net, number: Number, body: Unlink) -> None:
    await network.unlink(number, body.device)


@router.post("/{number}/behaviour", summary="Set how the phone answers by itself")
async def set_behaviour(network: Net, number: Number, body: NewBehaviour) -> Phone:
    await network.set_behaviour(number, body.behaviour())
    return Phone.of(network.get_phone(number))


@router.post("/{number}/online", summary="Switch the phone's own connection")
async def set_online(network: Net, number: Number, body: Online) -> Phone:
    await network.set_online(number, body.online)
    return Phone.of(network.get_phone(number))
