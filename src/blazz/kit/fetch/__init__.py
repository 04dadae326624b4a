"""Fetching what strangers name by URL, without becoming their hand inside the installation's own network."""

from blazz.kit.fetch.addresses import Guard
from blazz.kit.fetch.fetcher import Fetcher, Limits, Response, parse_url

__all__ = ["Fetcher", "Guard", "Limits", "Response", "parse_url"]
