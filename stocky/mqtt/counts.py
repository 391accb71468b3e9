"""Counts of messages over MQTT, of all connections of a process; here, so that reading them needs no aiomqtt."""

from __future__ import annotations


class ScanCounts:
    """`in_flight` scans wait for their result; the others only grow."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.answered = 0
        self.refused = 0
        self.dropped = 0
        # Messages of Stocky that the broker refused, results or sensors.
        self.unpublished = 0
        # Why, while it lasts.
        self.refusal: str | None = None
