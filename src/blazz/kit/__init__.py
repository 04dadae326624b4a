"""Foundations that know no domain: database, time, ids, errors, crypto, settings, logging, failpoints."""
