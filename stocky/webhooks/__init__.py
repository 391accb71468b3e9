"""Webhooks: signed messages to other programs, in order, retried until delivered."""
