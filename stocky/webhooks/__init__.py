"""Webhooks: other programs are told what happens, signed, in order, and again until they have taken it."""
