"""The `whatsim` command: serve the simulated network, and look at or drive a running one."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer

from whatsim.serve import ServeOptions, run
from whatsim.trace import TraceFile

DEFAULT_CONTROL = "http://127.0.0.1:7070"
# Linking waits for the client's answer, which may take several seconds on a loaded machine.
TIMEOUT_S = 40.0

app = typer.Typer(
    name="whatsim",
    help="A simulated WhatsApp network: real sockets and real encryption, no phone needed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Control = Annotated[
    str, typer.Option("--control", envvar="WHATSIM_CONTROL", help="Address of the running network's control API.")
]
Number = Annotated[str, typer.Argument(help="The phone's number: 7 to 15 digits.")]
TraceContents = Annotated[
    bool, typer.Option("--trace-contents", "--contents", help="Show keys and message bodies in the trace, too.")
]


@app.command("serve")
def serve_command(
    state: Annotated[
        Path, typer.Option(help="Directory that keeps everything: phones, devices, keys, messages.")
    ] = Path(".whatsim"),
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the control API and the page of phones.")] = 7070,
    wire_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port that WhatsApp clients connect to (TLS).")
    ] = 7071,
    allow_paths: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Directory beneath which pictures may be sent by path."),
    ] = None,
    parent_stdin: Annotated[bool, typer.Option("--parent-stdin", help="End when standard input closes.")] = False,
    trace: Annotated[Path | None, typer.Option(dir_okay=False, help="Record every stanza in this file.")] = None,
    trace_contents: TraceContents = False,
) -> None:
    """Serve the network until Ctrl-C. Prints one line of JSON when it is ready.

    The page of phones is at http://127.0.0.1:7070/, the API's description at /openapi.json.
    """
    options = ServeOptions(state, host, port, wire_port, allow_paths, parent_stdin, trace, trace_contents)
    try:
        run(options, lambda line: print(line, flush=True))
    except (OSError, ValueError) as error:
        _fail(f"The simulated network cannot start: {error}")


@app.command()
def phones(control: Control = DEFAULT_CONTROL) -> None:
    """List the phones of a running network."""
    found = _call(control, "GET", "/phones")["data"]
    if not found:
        typer.echo("No phones yet. Create one with: whatsim add --name Ana")
    for phone in found:
        links = ", ".join(
            f"{device['id']} ({device['platform']}, {'connected' if device['connected'] else 'away'})"
            for device in phone["devices"]
        )
        state = "online" if phone["online"] else "offline"
        typer.echo(f"{phone['number']:<16} {phone['name']:<20} {state:<8} linked: {links or 'none'}")


@app.command()
def add(
    number: Annotated[
        str | None, typer.Argument(help="7 to 15 digits; the next free fictional number if left out.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The person's name.")] = None,
    control: Control = DEFAULT_CONTROL,
) -> None:
    """Create a phone and print its number."""
    wanted = {key: value for key, value in (("number", number), ("name", name)) if value is not None}
    typer.echo(_call(control, "POST", "/phones", wanted)["number"])


@app.command()
def link(
    number: Number,
    qr: Annotated[str | None, typer.Option(help="Text of the QR code to scan.")] = None,
    code: Annotated[str | None, typer.Option(help="8-character code to type.")] = None,
    control: Control = DEFAULT_CONTROL,
) -> None:
    """Link a client to a phone, by QR text or by code."""
    if (qr is None) == (code is None):
        _fail("Give either --qr or --code.")
    body = {"qr": qr} if qr is not None else {"code": code}
    device = _call(control, "POST", f"/phones/{number}/link", body)
    typer.echo(f"Linked device {device['id']} ({device['platform']}).")


@app.command()
def unlink(
    number: Number, device: Annotated[int, typer.Argument(help="The device's id.")], control: Control = DEFAULT_CONTROL
) -> None:
    """Remove a linked device from a phone."""
    _call(control, "POST", f"/phones/{number}/unlink", {"device": device})


@app.command()
def send(
    number: Number,
    to: Annotated[str, typer.Argument(help="The receiver's number.")],
    text: Annotated[str, typer.Argument(help="The text, or the caption of --image.")] = "",
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A picture to send.")] = None,
    control: Control = DEFAULT_CONTROL,
) -> None:
    """Send a text or a picture from a phone and print the message's id."""
    if image is not None:
        picture = {"base64": base64.b64encode(image.read_bytes()).decode(), "caption": text or None}
        body: dict[str, Any] = {"to": to, "type": "image", "image": picture}
    else:
        body = {"to": to, "type": "text", "text": {"body": text}}
    typer.echo(_call(control, "POST", f"/phones/{number}/messages", body)["message_id"])


@app.command()
def messages(
    number: Number,
    after: Annotated[int, typer.Option(min=0, help="Only messages with an id above this.")] = 0,
    control: Control = DEFAULT_CONTROL,
) -> None:
    """Print what a phone shows, with raw deliveries beside each message."""
    while True:
        page = _call(control, "GET", f"/phones/{number}/messages?after={after}&limit=200")
        for message in page["data"]:
            state = message["receipts"][-1]["state"] if message["receipts"] else "-"
            typer.echo(
                f"{message['id']:>6} {message['timestamp']} {message['from']} -> {message['to']} "
                f"[{message['type']}, deliveries {message['deliveries']}, {state}] {message['body']}"
            )
        if not page["more"]:
            return
        after = page["next_after"]


@app.command()
def stats(control: Control = DEFAULT_CONTROL) -> None:
    """Print the network's counters."""
    for name, value in _call(control, "GET", "/stats").items():
        typer.echo(f"{name:<32} {value}")


@app.command()
def trace(
    output: Annotated[Path | None, typer.Option(dir_okay=False, help="Record in this file instead.")] = None,
    max_mb: Annotated[int, typer.Option(min=1, max=10_000, help="Size at which the file is begun anew.")] = 16,
    keep: Annotated[int, typer.Option(min=0, max=100, help="Full files to keep, as FILE.1 and so on.")] = 3,
    number: Annotated[str | None, typer.Option(help="Only the linked devices of this phone.")] = None,
    contents: TraceContents = False,
    control: Control = DEFAULT_CONTROL,
) -> None:
    """Show every stanza of a running network until Ctrl-C: time (UTC), device, direction, content.

    Keys and bodies are left out unless --contents is given.
    """
    query: dict[str, str] = {"contents": "true"} if contents else {}
    if number is not None:
        query["number"] = number
    try:
        with (
            TraceFile(output, max_mb << 20, keep) if output is not None else contextlib.nullcontext() as record,
            httpx.Client(base_url=control, timeout=TIMEOUT_S, trust_env=False) as client,
            client.stream("GET", "/trace", params=query) as response,
        ):
            if not response.is_success:
                response.read()
                _refused(response)
            for line in response.iter_lines():
                if line == "#":
                    continue  # only keeps the connection alive
                if record is not None:
                    record.write(line)
                else:
                    typer.echo(line)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _unreachable(control, error)
    except OSError as error:
        _fail(f"The trace cannot be written: {error}")
    except KeyboardInterrupt:
        pass


def _call(control: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return the decoded answer (None when it is empty); ends the program with a sentence when it is a refusal."""
    try:
        # The control API is on this machine; a proxy from the environment must not see it.
        with httpx.Client(base_url=control, timeout=TIMEOUT_S, trust_env=False) as client:
            response = client.request(method, path, json=body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _unreachable(control, error)
    if response.is_success:
        return response.json() if response.content else None
    return _refused(response)


def _unreachable(control: str, error: Exception) -> NoReturn:
    _fail(f"No simulated network answers at {control} ({error}). Start one with: whatsim serve")


def _refused(response: httpx.Response) -> NoReturn:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text[:200]
    _fail(f"{response.status_code}: {detail}")


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; `arguments` default to those of the process."""
    app(args=arguments, prog_name="whatsim")
