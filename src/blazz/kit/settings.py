"""Settings: environment variables `BLAZZ_*` (or a file named by `BLAZZ_ENV_FILE`), safe defaults, no secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may choose. Every field can be set as `BLAZZ_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="BLAZZ_",
        env_file=os.environ.get("BLAZZ_ENV_FILE"),
        extra="ignore",
        populate_by_name=True,
        frozen=True,
    )

    data_dir: Path = Field(
        Path(".blazz/data"),
        description="Database, session stores, media and keys live here.",
    )
    database_url: str | None = Field(
        None,
        repr=False,  # it holds a password
        description="The database server (postgresql://, mysql:// or mariadb://); SQLite in data_dir when absent.",
    )
    database_writers: int = Field(4, ge=1, le=32, description="Connections for writes of workspaces, per process.")
    database_readers: int = Field(4, ge=1, le=64, description="Connections for reads from the server, per process.")
    allow_unsafe_durability: bool = Field(
        False, description="Start although the database server may lose acknowledged commits in a power cut."
    )
    host: str = Field("127.0.0.1", description="Address of the HTTP server.")
    port: int = Field(7080, ge=0, le=65535, description="Port of the HTTP server; 0 takes a free one.")
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Addresses or networks of load balancers whose X-Forwarded-For is believed, with public_url.",
    )
    public_url: str | None = Field(None, description="The address under which people reach this server.")
    secret_key: str | None = Field(
        None, repr=False, description="32 bytes in base64; made in the data directory when absent."
    )
    secret_key_previous: str | None = Field(
        None, repr=False, description="A second key that opens secrets too, while the key is changed."
    )
    sign_up: bool = Field(False, description="Whether anybody may create an account and a workspace.")
    instance_id: str = Field(
        "instance-0",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of this instance.",
    )
    instance_capacity: int = Field(500, ge=1, le=750, description="Sessions that this instance may carry.")
    placement_strategy: Literal["rendezvous", "workspace_modulo", "least_loaded"] = Field(
        "rendezvous", description="How a workspace without sessions gets its instance."
    )
    placement_instance_count: int | None = Field(
        None, ge=1, description="The modulus of workspace_modulo; the number of known instances when absent."
    )
    n_minus_one: Literal["refuse", "warn", "off"] = Field(
        "refuse", description="What happens to a session that could not be carried with one instance down."
    )
    scale_min_instances: int = Field(4, ge=1, description="Advice never says to run fewer instances.")
    scale_max_instances: int = Field(12, ge=1, description="Advice never says to run more instances.")
    price_table: Path | None = Field(None, description="Prices for the capacity planner, instead of those packaged.")
    engine_binary: Path | None = Field(None, description="The engine host; found beside the package when absent.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged. Bodies of messages never are."
    )
    log_format: Literal["console", "json"] = Field("console", description="`json` for collectors of logs.")
    media_max_bytes: int = Field(100 * 1024 * 1024, ge=1024, description="Largest file that may be uploaded.")
    event_retention_days: int = Field(30, ge=1, description="How long the event log is kept.")
    message_expiry_hours: float = Field(24.0, gt=0, description="An unsent message fails after this time.")
    lease_s: float = Field(
        6.0,
        gt=0,
        description="How long ownership and dead-man deadline last without renewal.",
    )
    renew_s: float = Field(1.5, gt=0, description="How often ownership is renewed.")
    status_claim_s: float = Field(45.0, gt=0, description="A status that is not renewed for this long is unknown.")
    logins_per_second: float = Field(10.0, gt=0, description="Pace of logins on the real network.")
    refresh_client_version: bool = Field(
        False,
        description="Replace a client version that WhatsApp refuses by the newest, which nobody has tried with Blazz.",
    )
    client_version_retry_s: float = Field(
        3600.0, ge=1, description="How often one session tries whether a refused client version is accepted after all."
    )
    max_qr_starts_per_hour: int = Field(5, ge=1, description="QR starts without a link; unlimited when simulated.")
    valkey: bool = Field(True, description="Start a private Valkey for wake-ups; polling does without.")
    redis_url: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="Use this Redis or Valkey instead of a private one.",
    )
    sessions_path: Path | None = Field(
        None,
        description="Session stores, on storage that all instances share; beneath the data directory when absent.",
        validation_alias="BLAZZ_SESSIONS_DIR",
    )
    session_store: Literal["files", "database"] = Field(
        "files",
        description="Where session stores are kept: files in the sessions directory, or the PostgreSQL database, for "
        "installations without a share.",
    )
    session_store_connections: int = Field(
        8, ge=1, le=64, description="Connections of an engine host to a database that holds session stores."
    )
    session_journal: Literal["wal", "delete"] = Field("wal", description="SQLite journal of the session stores.")
    media_path: Path | None = Field(
        None,
        description="Media files, on storage that all roles share; beneath the data directory when absent.",
        validation_alias="BLAZZ_MEDIA_DIR",
    )
    media_store: Literal["disk", "s3"] = Field(
        "disk", description="Where media files are kept; with s3 the media directory holds only files in passing."
    )
    media_second_store: Literal["disk", "s3"] | None = Field(
        None, description="Read when the media store lacks a file, while files are moved from one to the other."
    )
    media_s3_bucket: str | None = Field(None, description="The bucket, which must exist.")
    media_s3_prefix: str | None = Field(None, description="Put before every key, to share a bucket.")
    media_s3_endpoint: str | None = Field(None, description="The address of the S3 service; Amazon's when absent.")
    media_s3_region: str | None = Field(None, description="The bucket's region.")
    media_s3_access_key: str | None = Field(None, description="From the environment or the machine's role when absent.")
    media_s3_secret_key: str | None = Field(None, repr=False, description="Belongs to the access key.")
    media_workers: int = Field(
        1, ge=0, le=64, description="Files that one worker converts at once; 0 leaves it to others."
    )
    media_orphan_days: int = Field(30, ge=1, description="A file that no message uses is removed after this time.")
    move_concurrency: int = Field(8, ge=1, le=100, description="Sessions that planned moves take away at once.")
    drain_timeout_s: float = Field(60.0, ge=0, description="SIGTERM moves an instance's sessions away for this long.")
    worker_host: str = Field("127.0.0.1", description="Address of a worker's health and metrics.")
    worker_port: int | None = Field(
        None, ge=0, le=65535, description="Port of a worker's health and metrics; none is served when absent."
    )
    internal_host: str = Field("127.0.0.1", description="Address of the port on which instances take signed calls.")
    internal_port: int = Field(0, ge=0, le=65535, description="That port; 0 takes a free one.")
    internal_url: str | None = Field(
        None,
        max_length=255,
        description="The address under which gateways reach it; needed when bound to all addresses.",
    )
    internal_key: str | None = Field(
        None,
        repr=False,
        description="32 bytes in base64 that sign internal calls; derived from the secret key when absent.",
    )
    internal_key_previous: str | None = Field(
        None, repr=False, description="A second key that is accepted too, while keys are changed."
    )
    internal_tls_cert: Path | None = Field(None, description="Certificate (PEM) of this process for internal calls.")
    internal_tls_key: Path | None = Field(None, description="Its private key (PEM).")
    internal_tls_ca: Path | None = Field(
        None, description="The authority (PEM) that signed all of them; both ends must then show a certificate."
    )
    test_mode: bool = Field(False, description="Allows failpoints. Never set in production.")

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "blazz.db"

    @property
    def sessions_dir(self) -> Path:
        """Session stores: `workspace_{id}/session_{id}/store.{epoch}.db`."""
        return self.sessions_path or self.data_dir / "sessions"

    @property
    def media_dir(self) -> Path:
        """Media files by workspace."""
        return self.media_path or self.data_dir / "media"

    @property
    def instance_dir(self) -> Path:
        """What belongs to this instance alone and to this machine: locks and files in passing."""
        return self.data_dir / "instances" / self.instance_id

    @property
    def engine_lock_path(self) -> Path:
        """Held by this instance's engine host while it lives."""
        return self.instance_dir / "engine.lock"

    @property
    def engine_media_dir(self) -> Path:
        """Where Python and the engine host hand files to each other."""
        return self.instance_dir / "engine-media"
