"""The planner's two data files: what was measured (`figures.json`) and what things cost (`prices.json`)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blazz.kit.errors import BlazzError, FieldError

_HERE = Path(__file__).resolve().parent
PRICES = _HERE / "prices.json"
_FIGURES = _HERE / "figures.json"

Text = Annotated[str, Field(min_length=1, max_length=400)]
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Strict):
    """One measured value and how it came about. `command` repeats the measurement."""

    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    unit: Text
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    machine: Text
    command: Text
    how: Text


class Figures(_Strict):
    """What one session, message and process cost."""

    mb_per_session: Figure
    mb_per_instance: Figure
    mb_per_python_role: Figure
    idle_cpu_percent_per_session: Figure
    instance_cpu_ms_per_message: Figure
    gateway_cpu_ms_per_message: Figure
    store_mb_per_session: Figure
    database_kb_per_message: Figure


class Machine(_Strict):
    """A size of machine that can be rented."""

    name: Text
    cores: Annotated[float, Field(gt=0, le=1024)]
    memory_gb: Annotated[float, Field(gt=0, le=65536)]
    monthly: Price


class FixedCost(_Strict):
    """Something paid by the month whatever the load, such as a load balancer."""

    name: Text
    monthly: Price


class PriceTable(_Strict):
    """Prices by the month in one currency."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    as_of: Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    source: Text
    machines: Annotated[tuple[Machine, ...], Field(min_length=1)]
    shared_storage_gb: Price
    database_storage_gb: Price
    media_storage_gb: Price
    fixed: tuple[FixedCost, ...] = ()


@functools.cache
def figures() -> Figures:
    """Return the packaged figures."""
    return Figures.model_validate_json(_FIGURES.read_text())


def price_table(path: Path | None = None) -> PriceTable:
    """Return the prices of a file, the packaged ones when None.

    Raises BlazzError `invalid_price_table` (422) that names the file and what is wrong in it.
    """
    file = path or PRICES
    try:
        return PriceTable.model_validate(json.loads(file.read_text()))
    except OSError as error:
        raise BlazzError(
            "invalid_price_table", f"The price table {file} cannot be read: {error.strerror}.", 422
        ) from None
    except ValidationError as error:
        wrong = [FieldError(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
        first = f"{wrong[0].field}: {wrong[0].message}" if wrong[0].field else wrong[0].message
        raise BlazzError(
            "invalid_price_table",
            f"The price table {file} is wrong at {first}. Start from the packaged one: {PRICES}",
            422,
            wrong,
        ) from None
    except ValueError as error:
        raise BlazzError("invalid_price_table", f"The price table {file} is not JSON: {error}.", 422) from None
